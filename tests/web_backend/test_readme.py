"""The README of the example is correct."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI
from web_backend import problems
from web_backend.settings import Settings

from tests.documents.pages import Page
from tests.documents.reader import Reader, commands

EXAMPLE = Path(__file__).parents[2] / "examples" / "web_backend"
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")


def test_links_lead_to_files() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)]
    files = [link for link in links if link and not link.startswith("https://")]
    assert files
    assert [file for file in files if not (EXAMPLE / file).exists()] == []


def test_every_file_is_listed() -> None:
    files = {path.name for path in EXAMPLE.glob("*.py")}
    assert [file for file in sorted(files) if f"]({file})" not in README] == []


def test_install_commands_work(tmp_path: Path) -> None:
    page = Page(EXAMPLE / "README.md")
    (block,) = (text for text in page.texts("sh") if "--group" in text)
    with Reader(page, tmp_path, "") as reader:
        for command in commands(block):
            reader.obey(command)


def test_listed_settings_are_those_that_exist() -> None:
    listed = set(re.findall(r"`(BREAKGLASS_\w+)`", README))
    assert listed == {f"BREAKGLASS_{name.upper()}" for name in Settings.model_fields}


def test_listed_requests_are_those_that_exist(app: FastAPI) -> None:
    listed = set(re.findall(r"^\| `([A-Z]+ /api[^`?]*)", README, flags=re.MULTILINE))
    paths = app.openapi()["paths"]
    assert listed == {f"{method.upper()} {path}" for path in paths for method in paths[path]}


def test_listed_problem_types_are_those_that_exist() -> None:
    assert "| `about:blank` |" in README
    listed = {
        name
        for row in re.findall(r"^\| [45]\d\d \| (.+?) \|", README, flags=re.MULTILINE)
        for name in re.findall(r"`([\w-]+)`", row)
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.py"))
    raised = set(re.findall(r'ProblemError\(\s*HTTPStatus\.\w+,\s*"([\w-]+)"', sources))
    ours = {kind.name for kind in problems.KINDS.values()} | raised
    assert listed == ours | {"invalid-request", "not-signed-in"}
