"""A reader who follows a page step by step: saves its files, runs its commands, compares."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import botocore.session
from botocore import xform_name

from tests.documents.pages import ROOT, Block, Page, without_particulars
from tests.documents.programs import PATIENCE, Programs

FILE_NAME = re.compile(r"# (?P<name>[\w/]+\.(?:py|toml|ini))\n")
"""The first line of a block that is saved as a file."""

HELD_ELSEWHERE: Final = {
    ("README.md", "text"): "tests/test_quickstart.py",
    ("docs/cli.md", "text"): "tests/cli/test_demo.py",
    ("docs/operations.md", "json"): "tests/test_docs_claims.py",
    ("docs/table.md", "json"): "tests/test_docs_tables.py",
    ("docs/index.md", "{toctree}"): "tests/test_docs.py",
    ("docs/reference.md", "{eval-rst}"): "tests/test_docs.py",
}
"""Blocks that no reader runs, by page and language, and the tests that check them."""

# A user runs these first; for a test they have already been done.
PREPARATIONS: Final = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "python -m pip install --upgrade pip",
    ".venv/bin/python -m pip install --quiet nox",
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SESSIONS = {
    function.name
    for function in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body
    if isinstance(function, ast.FunctionDef)
    and any("nox.session" in ast.unparse(decorator) for decorator in function.decorator_list)
}

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Reader:
    """Follows one page in its own folder; as a context manager, ends the servers it started."""

    def __init__(
        self, page: Page, folder: Path, endpoint_url: str, programs: Programs | None = None
    ) -> None:
        self.page = page
        self.programs = programs
        """What runs short programs faster, if it is there."""
        self.folder = folder
        # Measuring coverage would double the time of the reader's many processes.
        unmeasured = {
            name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")
        }
        self.before = unmeasured | {
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint_url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "PYTHONPATH": ".",
        }
        self.environment = dict(self.before)
        self.output: str | None = None
        """The output of the previous block, if it held commands."""
        self.addresses: dict[str, str] = {}
        """The addresses that the page shows, and the real ones."""
        self.servers: list[subprocess.Popen[str]] = []
        self.suites: list[str] = []
        """The files with tests, which one pytest runs at the end of the page."""
        self.runs_all = False
        """Whether the page says to run pytest on the folder."""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.communicate("\n", timeout=PATIENCE)

    def follow(self) -> None:
        for position, block in enumerate(self.page.blocks):
            output, self.output = self.output, None
            if (self.page.name, block.language) in HELD_ELSEWHERE:
                continue
            if block.language == "text":
                assert output is not None, f"{block} follows no command that prints it"
                self.compare(block, output)
            elif block.language == "sh":
                self.output = "".join(self.obey(command) for command in commands(block.text))
            elif name := FILE_NAME.match(block.text):
                self.keep(block, name["name"], self.page.blocks[position + 1 :])
            elif block.language == "python":
                kind = "test" if "def test_" in block.text else "block"
                self.keep(block, f"{kind}_{position}.py", [])
            else:
                raise AssertionError(f"{block}: no test knows what to do with it")
        if self.suites or self.runs_all:
            output = self.pytest("--verbose", *([] if self.runs_all else self.suites))
            for suite in self.suites:
                assert re.search(rf"^{re.escape(suite)}::.+ PASSED", output, re.MULTILINE), suite

    def keep(self, block: Block, name: str, rest: list[Block]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        given = "\n".join(later.text for later in rest if later.language == "sh")
        if name in given:
            return  # The reader runs it when the page says so.
        if "def test_" in block.text or "(StoreContract)" in block.text:
            self.suites.append(name)
        elif block.language == "python":
            # A program shows its output in comments; a module only has to load.
            printed = re.findall(r"^ +print\(.+  # (.+)$", block.text, flags=re.MULTILINE)
            assert self.python(name).splitlines() == printed, str(block)

    def compare(self, block: Block, output: str) -> None:
        assert without_particulars(output) == without_particulars(block.text), str(block)
        shown, actual = (ADDRESS.findall(text) for text in (block.text, output))
        self.addresses |= dict(zip(shown, actual, strict=True))

    def run(self, *command: str) -> str:
        result = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return output_of(result)

    def python(self, program: str, *arguments: str) -> str:
        if self.programs is None:
            return self.run(sys.executable, program, *arguments)
        result = self.programs.run(
            program, *arguments, folder=self.folder, environment=self.environment
        )
        return output_of(result)

    def pytest(self, *arguments: str) -> str:
        output = self.run(
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"), *arguments
        )
        assert re.search(r"\d+ passed", output), output
        return output

    def obey(self, command: str) -> str:
        """Run a command, or check that it could run if it goes beyond a test."""
        words = shlex.split(command)
        match words:
            case _ if command in PREPARATIONS:
                pass
            case ["git", "clone", "$REPOSITORY", folder]:
                (self.folder / folder).symlink_to(ROOT)
            case ["cd", folder]:
                self.folder = Path(os.path.normpath(self.folder / folder))
                assert self.folder.is_dir()
            case ["mkdir", folder]:
                (self.folder / folder).mkdir()
            case ["sha256sum", "--check", _]:
                return self.run(*words)
            case ["sleep", _]:
                self.run(*words)
            case ["export", *settings]:
                for setting in settings:
                    name, _, value = setting.partition("=")
                    self.environment[name] = self.addresses.get(value, value)
            case ["unset", *names]:
                for name in names:
                    self.environment[name] = self.before[name]
            case ["python", "-m", "pip", "install", *requirements]:
                for requirement in without_options(requirements):
                    self.check_requirement(requirement)
            case ["nox" | ".venv/bin/nox", "-s", *sessions]:
                names = sessions[: sessions.index("--")] if "--" in sessions else sessions
                assert {*names} <= SESSIONS, command
            case ["python", "-m", "pytest", *arguments]:
                paths = [argument for argument in arguments if "/" in argument]
                if not paths:
                    assert not arguments, command
                    self.runs_all = True
                assert [path for path in paths if not (ROOT / path).exists()] == [], command
            case ["python", name, *arguments] if (self.folder / name).is_file():
                if "moto_server" in (self.folder / name).read_text(encoding="utf-8"):
                    return self.serve(name)
                return self.python(name, *arguments)
            case ["python", name, *arguments]:
                usage = self.python(str(ROOT / name), "--help")
                options = [argument for argument in arguments if argument.startswith("--")]
                assert [option for option in options if f"{option} " not in usage] == [], command
            case ["aws", "dynamodb", operation, *arguments]:
                self.call_aws(operation, arguments)
            case _:
                raise AssertionError(f"{self.page.name}: no test knows the command {command!r}")
        return ""

    def check_requirement(self, requirement: str) -> None:
        """Check that a requirement is installed: extras, groups, or packages of the tests."""
        if extras := re.fullmatch(r"\.(\[(?P<names>[\w,]+)\])?", requirement):
            names = (extras["names"] or "").split(",") if extras["names"] else []
            assert {*names} <= PROJECT["project"]["optional-dependencies"].keys(), requirement
        elif requirement not in PROJECT["dependency-groups"]:
            assert version(requirement)

    def serve(self, program: str) -> str:
        """Start a server that prints its address, and ends when its input does."""
        server = subprocess.Popen(
            [sys.executable, "-u", program],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        return server.stdout.readline()

    def call_aws(self, operation: str, arguments: list[str]) -> None:
        """Do what the AWS command line would do, which cannot be installed beside aiobotocore."""
        session = botocore.session.get_session()
        client = session.create_client(
            "dynamodb",
            region_name=self.environment["AWS_DEFAULT_REGION"],
            endpoint_url=self.environment["AWS_ENDPOINT_URL_DYNAMODB"],
        )
        method = operation.replace("-", "_")
        shape = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[method]
        ).input_shape
        assert shape is not None
        members = {f"--{xform_name(name, '-')}": name for name in shape.members}
        parameters: dict[str, Any] = {}
        words = iter(arguments)
        for option in words:
            kind = shape.members[members[option]].type_name
            value: Any = True if kind == "boolean" else next(words)
            is_json = kind in ("structure", "map", "list")
            parameters[members[option]] = json.loads(value) if is_json else value
        getattr(client, method)(**parameters)
        client.close()


def output_of(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def commands(text: str) -> list[str]:
    """The single commands of a block, with continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [
        command.strip()
        for line in lines
        if line and not line.startswith("#")
        for command in line.split(" && ")
    ]


def without_options(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("-")]
