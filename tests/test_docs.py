"""The documentation is correct: every block of every page is run, every link followed."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import aiobreakglass
import aiobreakglass.telemetry
import aiobreakglass.testing
from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    InMemoryStore,
    create_table,
    pytest_plugin,
)
from aiobreakglass.testing import FakeClock, StoreContract, make_event
from tests.documents.calls import TABLE
from tests.documents.pages import ALL_PAGES, OPERATIONS, PAGES, README, REFERENCE, ROOT, Page
from tests.documents.programs import Programs
from tests.documents.reader import HELD_ELSEWHERE, Reader

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

CONTRIBUTING = Page(ROOT / "CONTRIBUTING.md")
SECURITY = Page(ROOT / "SECURITY.md")
INDEX = Page(ROOT / "docs" / "index.md")
DECISIONS = [page for page in PAGES if page.name.startswith("docs/decisions/")]
LINKED = re.compile(r"\]\(([\w/.]+\.py)\)")
DIAGRAMS = sorted((ROOT / "docs").glob("*.svg"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```" in page.text], ids=lambda page: page.name
)
async def test_page_can_be_followed_step_by_step(
    page: Page,
    tmp_path: Path,
    moto_endpoint: str,
    no_table: DynamoDBClient,
    programs: Programs,
) -> None:
    await create_table(no_table, TABLE)
    if page == OPERATIONS:
        # The commands of this page act on this event.
        store = AsyncDynamoDBStore(no_table, TABLE)
        await store.create(make_event(id="e5ee23033c0b4ce7"))
    with Reader(page, tmp_path, moto_endpoint, programs) as reader:
        reader.follow()


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        "```yaml\nkey: value\n```",
        "```\nno language\n```",
        "    indented\n",
        "<pre>\nraw\n</pre>",
        '```json\n{"held": "nowhere"}\n```',
        "```text\nan output of no command\n```",
        "```sh\nsleep 0\n```\n\n```text\nanother output than it has\n```",
        "```python\nraise LookupError\n```",
        "```python\ndef test_a_failure():\n    raise LookupError\n```",
        "```python\ndef test_alone(): ...\n```\n\n```python\nif 0:\n def test_unseen(): ...\n```",
        "- in a list:\n\n  ```ini\n  without = a file\n  ```",
    ],
)
def test_untested_or_broken_block_fails(block: str, tmp_path: Path, programs: Programs) -> None:
    (tmp_path / "page.md").write_text(f"# A page\n\n{block}\n", encoding="utf-8")
    page = Page(tmp_path / "page.md")
    with Reader(page, tmp_path, "", programs) as reader, pytest.raises(AssertionError):
        reader.follow()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "rm -rf .venv",
        "nox -s nonsense",
        "python nowhere.py",
        "python -m pytest tests/nowhere.py",
        "python -m pip install '.[nonsense]'",
        "python examples/quickstart.py --nonsense",
    ],
)
def test_broken_command_fails(command: str, tmp_path: Path, programs: Programs) -> None:
    with Reader(INDEX, tmp_path, "", programs) as reader, pytest.raises(AssertionError):
        reader.obey(command)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_have_targets(page: Page) -> None:
    anchors = {other.path: other.anchors for other in ALL_PAGES}
    for link in page.links:
        if link.startswith(("https://", "http://127.0.0.1")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors[target], link


def test_every_page_is_in_the_table_of_contents() -> None:
    """The table of contents names each page, or a pattern that matches it."""
    named = {
        (INDEX.path.parent / f"{entry}.md").resolve()
        for block in INDEX.texts("{toctree}")
        for entry in re.findall(r"^(?:[\w ]+<)?([\w./*-]+)>?$", block, flags=re.MULTILINE)
    }
    missing = {page.path for page in ALL_PAGES} - named - {INDEX.path, README.path}
    assert [path for path in missing if not any(path.match(str(name)) for name in named)] == []


@pytest.mark.parametrize("held", HELD_ELSEWHERE.items(), ids=str)
def test_block_tested_elsewhere_exists(held: tuple[tuple[str, str], str]) -> None:
    """An exception must go when its page no longer has such blocks."""
    (page, language), test = held
    assert Page(ROOT / page).texts(language)
    assert (ROOT / test).is_file()


class TestReference:
    def test_reference_names_everything_public(self) -> None:
        fixtures = [name for name in vars(pytest_plugin) if name.startswith("breakglass_")]
        assert len(fixtures) == 4
        modules = (aiobreakglass, aiobreakglass.telemetry, aiobreakglass.testing)
        public = [name for module in modules for name in module.__all__] + fixtures
        documented = re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)", REFERENCE.text, re.MULTILINE)
        assert sorted(documented) == sorted(public)

    def test_reference_names_every_member_of_an_event(self) -> None:
        (members,) = re.findall(r"BreakGlassEvent.*\n +:members: ([\w, \n]+)\n", REFERENCE.text)
        public = {
            name
            for name, value in vars(BreakGlassEvent).items()
            if inspect.isfunction(value) and not name.startswith("_")
        }
        assert {*re.findall(r"\w+", members)} == public | BreakGlassEvent.model_fields.keys()

    def test_reference_gives_the_limits(self) -> None:
        values = re.findall(r"py:data:: (\w+)\n +:value: (.+)\n", REFERENCE.text)
        assert len(values) == 3
        for name, value in values:
            limit = eval(value, {"timedelta": timedelta})  # noqa: S307 - it is our own page
            assert limit == getattr(aiobreakglass, name)

    @pytest.mark.parametrize("documented", [FakeClock, StoreContract], ids=lambda it: it.__name__)
    async def test_docstring_examples_run(self, documented: type) -> None:
        examples = re.findall(r"::\n\n((?:    .*\n|\n)+)", inspect.getdoc(documented) or "")
        assert examples
        names = {
            name: getattr(module, name)
            for module in (aiobreakglass, aiobreakglass.testing)
            for name in module.__all__
        } | {"pytest": pytest, "MyStore": InMemoryStore}
        for example in examples:
            source = textwrap.dedent(example)
            code = compile(source, "<example>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)  # noqa: S307 - it is our own docstring
            if inspect.isawaitable(result):
                await result


def test_adding_an_operation_takes_fewer_than_ten_steps() -> None:
    # The documentation is the last step, and has no row.
    assert len(CONTRIBUTING.rows("Adding a store operation")) + 1 < 10


def test_steps_of_adding_an_operation_use_existing_names() -> None:
    more = [cells[1:] for cells in CONTRIBUTING.rows("If it needs more")]
    for step, files, names in [*CONTRIBUTING.rows("Adding a store operation"), *more]:
        sources = [(ROOT / path).read_text(encoding="utf-8") for path in LINKED.findall(files)]
        assert sources, step
        for name in re.findall(r"`(\w+)`", names):
            assert all(re.search(rf"\b{name}\b", source) for source in sources), f"{step}: {name}"


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.path.stem)
def test_each_decision_is_complete_and_linked(page: Page) -> None:
    sections = re.findall(r"^## (.+)$", page.text, flags=re.MULTILINE)
    assert sections == ["Context", "Decision", "What else was considered", "Consequences"]
    for other in (INDEX, CONTRIBUTING):
        linked = {(other.path.parent / link.partition("#")[0]).resolve() for link in other.links}
        assert page.path in linked, other.name


def test_each_claim_about_secrecy_names_its_test() -> None:
    for claim, test in SECURITY.rows("What is not in messages and logs"):
        (path,) = LINKED.findall(test)
        assert path.startswith("tests/"), claim


@pytest.mark.parametrize("path", DIAGRAMS, ids=lambda path: path.name)
def test_diagrams_stand_alone(path: Path) -> None:
    """A diagram describes itself in text, and loads nothing."""
    svg = "{http://www.w3.org/2000/svg}"
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    assert root.get("role") == "img"
    title, description = root.find(f"{svg}title"), root.find(f"{svg}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text
    assert "<script" not in text
    assert any(path.name in link for page in PAGES for link in page.links)
