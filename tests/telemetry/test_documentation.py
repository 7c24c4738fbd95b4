"""The page on telemetry names what is reported, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import aiobreakglass
from aiobreakglass._telemetry import observer
from tests.documents.pages import ROOT, Page

PAGE = Page(ROOT / "docs" / "telemetry.md")
CODE = re.compile(r"`([^`]+)`")
SOURCES = Path(aiobreakglass.__file__).parent


def first_column(heading: str) -> set[str]:
    return {name for row in PAGE.rows(heading) for name in CODE.findall(row[0])}


def test_every_metric_and_attribute_is_documented() -> None:
    source = Path(observer.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'"((?:db|error|aiobreakglass)\.[\w.]+)"', source))
    text = PAGE.section("Spans") + PAGE.section("Metrics")
    assert names == set(re.findall(r"`((?:db|error|aiobreakglass)\.[\w.]+)`", text))


def test_every_rule_is_documented() -> None:
    documented = {
        CODE.findall(row[0])[0]: CODE.findall(row[1])[0]
        for row in PAGE.rows("Metrics")
        if "Error" in row[1]
    }
    assert documented == {rule: kind.__name__ for kind, rule in observer.RULES.items()}


def test_every_key_of_a_log_record_is_documented() -> None:
    """The workers are what logs with keys, and their keys are the only texts that key a dict."""
    keys = {
        key.value
        for path in (SOURCES / "_workers").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert keys == first_column("Log records")
