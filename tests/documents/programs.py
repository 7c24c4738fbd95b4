"""Run programs of the documentation without importing the SDK anew for each.

Most of the time of a short program goes into imports. So one process imports what the programs
need of others, and each program runs in a fork of it. They import this library themselves.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

PATIENCE: Final = 300
"""How many seconds a program may take, on a machine that may be slow and busy."""

_IMPORTED: Final = (
    "aiobotocore.client",
    "aiobotocore.session",
    "botocore.auth",
    "pydantic",
    # pydantic imports these when a program first needs them.
    "pydantic.functional_validators",
    "pydantic.json_schema",
    "pydantic.main",
    "pydantic.types",
)


class Programs:
    """Runs programs one after the other."""

    def __init__(self, requests: IO[str], statuses: IO[str], folder: Path) -> None:
        self._requests = requests
        self._statuses = statuses
        self._output = folder / "output"
        self._errors = folder / "errors"

    def run(
        self, program: Path | str, *arguments: str, folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as `python program arguments` does in a folder and an environment."""
        words = [str(program), *arguments]
        request = {
            "arguments": words,
            "folder": str(folder),
            "environment": dict(environment),
            "output": str(self._output),
            "errors": str(self._errors),
        }
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        status = int(self._statuses.readline())
        output, errors = (path.read_text() for path in (self._output, self._errors))
        return subprocess.CompletedProcess(words, status, output, errors)


@contextmanager
def running_programs() -> Iterator[Programs]:
    """Start the process that programs are forked from, and end it at the end."""
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        yield Programs(server.stdin, server.stdout, Path(folder))
        server.stdin.close()


def _serve() -> None:
    for name in _IMPORTED:
        import_module(name)
    for request in sys.stdin:
        if (child := os.fork()) == 0:
            _become(**json.loads(request))
            return
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(
    *, arguments: list[str], folder: str, environment: dict[str, str], output: str, errors: str
) -> None:
    # Ends a program that hangs.
    signal.alarm(PATIENCE)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    creating = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output, creating),
        (2, errors, creating),
    ):
        os.dup2(os.open(path, flags), descriptor)
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    if paths := environment.get("PYTHONPATH"):
        sys.path[1:1] = paths.split(os.pathsep)
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    _serve()
