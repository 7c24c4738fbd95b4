"""What maintainers rely on: one place for the version, changelog fragments, and workflows."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

import aiobreakglass
from tests.documents.pages import ROOT
from tests.documents.reader import PROJECT, SESSIONS

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FRAGMENTS = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]

needs_workflows = pytest.mark.skipif(
    not WORKFLOWS, reason="the source distribution leaves out what only GitHub reads"
)


def test_version_is_written_in_one_place() -> None:
    written = PROJECT["project"]["version"]
    assert aiobreakglass.__version__ == version("aiobreakglass") == written
    literal = re.compile(rf"\b{re.escape(written)}\b")
    others = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "docs", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".md") and literal.search(path.read_text(encoding="utf-8"))
    ]
    assert others == []


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_changelog_fragment_is_well_formed(path: Path) -> None:
    """A fragment's name has a type, and its text is whole sentences without a bullet."""
    types = [of_changes["directory"] for of_changes in PROJECT["tool"]["towncrier"]["type"]]
    assert re.fullmatch(rf"(\+[a-z0-9-]+|\d+)\.({'|'.join(types)})\.md", path.name)
    text = path.read_text(encoding="utf-8")
    assert re.fullmatch(r"[A-Z`].*\.\n", text, flags=re.DOTALL), "sentences, and one line's end"
    assert max(map(len, text.splitlines())) < 100


def uses(text: str) -> list[str]:
    return re.findall(r"\buses: *(.+)", text)


def test_changelog_marks_where_a_release_goes() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    line = PROJECT["tool"]["towncrier"]["start_string"]
    assert changelog.count(f"\n{line}") == 1


@needs_workflows
def test_every_action_is_pinned() -> None:
    """Actions are pinned by commit, because a tag can move; a comment names the release."""
    used = [action for path in WORKFLOWS for action in uses(path.read_text(encoding="utf-8"))]
    assert len(used) > 5
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in used if not pinned.fullmatch(action)] == []
    # All uses of an action have the same release.
    assert len(set(used)) == len({action.partition("@")[0] for action in used})


@needs_workflows
def test_every_nox_session_of_the_workflows_exists() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    run = {
        name
        for names in re.findall(r"nox -s ([\w ]+)$", text, re.MULTILINE)
        for name in names.split()
    }
    matrix = re.search(r"session:\n((?: +- .+\n)+)", text)
    assert matrix is not None
    run |= {line.split()[1] for line in matrix[1].splitlines()}
    assert {"tests", "tests_lowest", "lint", "soak"} <= run <= SESSIONS


@needs_workflows
def test_ci_runs_the_declared_python_versions() -> None:
    classifier = "Programming Language :: Python :: 3."
    declared = [
        name.rpartition(" ")[2]
        for name in PROJECT["project"]["classifiers"]
        if name.startswith(classifier)
    ]
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: \[(.+)\]", ci)
    assert matrix is not None
    assert [name.strip('" ') for name in matrix[1].split(",")] == declared
    assert PROJECT["project"]["requires-python"] == f">={declared[0]}"
