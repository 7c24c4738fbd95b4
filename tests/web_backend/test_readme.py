"""What the README of the example says is so."""

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


def test_links_lead_somewhere() -> None:
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README)]
    files = [link for link in links if link and not link.startswith("https://")]
    assert files
    assert [file for file in files if not (EXAMPLE / file).exists()] == []


def test_every_file_is_told_of() -> None:
    files = {path.name for path in EXAMPLE.glob("*.py")}
    assert [file for file in sorted(files) if f"]({file})" not in README] == []


def test_what_is_to_be_installed_is_there(tmp_path: Path) -> None:
    page = Page(EXAMPLE / "README.md")
    (block,) = (text for text in page.texts("sh") if "--group" in text)
    with Reader(page, tmp_path, "") as reader:
        for command in commands(block):
            reader.obey(command)


def test_the_settings_are_those_that_exist() -> None:
    told = set(re.findall(r"`(BREAKGLASS_\w+)`", README))
    assert told == {f"BREAKGLASS_{name.upper()}" for name in Settings.model_fields}


def test_the_requests_are_those_that_exist(app: FastAPI) -> None:
    told = set(re.findall(r"^\| `([A-Z]+ /api[^`?]*)", README, flags=re.MULTILINE))
    paths = app.openapi()["paths"]
    assert told == {f"{method.upper()} {path}" for path in paths for method in paths[path]}


def test_the_problems_are_those_that_exist() -> None:
    assert "| `about:blank` |" in README
    told = {
        name
        for row in re.findall(r"^\| [45]\d\d \| (.+?) \|", README, flags=re.MULTILINE)
        for name in re.findall(r"`([\w-]+)`", row)
    }
    sources = "".join(path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.py"))
    raised = set(re.findall(r'ProblemError\(\s*HTTPStatus\.\w+,\s*"([\w-]+)"', sources))
    ours = {kind.name for kind in problems.KINDS.values()} | raised
    assert told == ours | {"invalid-request", "not-signed-in"}
