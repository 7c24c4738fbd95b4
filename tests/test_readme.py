"""The README's claims hold; test_docs runs its programs, and test_quickstart its demo."""

from __future__ import annotations

import re

import pytest

from tests.documents.pages import ALL_PAGES, README, ROOT, Page

DEMO, TESTS = (block.strip() for block in README.texts("sh"))
MOST_LINES = 160


def test_commands_of_the_readme_are_those_of_ci() -> None:
    prepare = "python3 -m venv .venv && .venv/bin/python -m pip install --quiet nox"
    assert f"{prepare} && .venv/bin/nox -s demo" == DEMO
    assert f"{prepare} && .venv/bin/nox -s tests" == TESTS
    assert TESTS in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_each_promise_names_its_tests() -> None:
    promises = README.rows("What is promised")
    assert promises
    for promise, proof in promises:
        assert re.search(r"\(tests/\S+\.py\)", proof), promise


def test_readme_is_short() -> None:
    assert len(README.text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_no_page_links_back_to_the_readme(page: Page) -> None:
    """Links lead from the README to the documentation, and none leads back."""
    targets = [(page.path.parent / link.partition("#")[0]).resolve() for link in page.links]
    assert README.path not in targets
