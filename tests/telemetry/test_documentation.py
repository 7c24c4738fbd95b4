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


LOGS = {
    path: ast.parse(text)
    for path in SOURCES.rglob("*.py")
    if "logger" in (text := path.read_text(encoding="utf-8"))
}
"""The modules that log."""

CALLS = [
    node
    for tree in LOGS.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and isinstance(node.func.value, ast.Name)
]
"""Their calls of methods."""


def test_every_logger_is_documented() -> None:
    documented = {name for row in PAGE.rows("Log records") for name in CODE.findall(row[2])}
    loggers = {ast.literal_eval(call.args[0]) for call in CALLS if called(call) == "getLogger"}
    assert loggers == documented


def test_every_log_record_has_keys() -> None:
    """A program that filters records needs more than a text."""
    logging = [call for call in CALLS if called(call) in ("info", "warning", "error", "exception")]
    assert len(logging) > 5
    for call in logging:
        (extra,) = (keyword.value for keyword in call.keywords if keyword.arg == "extra")
        assert re.match(r"about$|log_fields\(|\{", ast.unparse(extra))


def test_every_key_of_a_log_record_is_documented() -> None:
    """They come from `extra` itself, from what is named `about`, or from `log_fields`."""
    keys = {
        key.value
        for tree in LOGS.values()
        for facts in ast.walk(tree)
        if is_about_a_record(facts)
        for node in ast.walk(facts)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert keys == first_column("Log records")


def is_about_a_record(node: ast.AST) -> bool:
    match node:
        case (
            ast.keyword(arg="extra")
            | ast.Assign(targets=[ast.Name(id="about")])
            | ast.FunctionDef(name="log_fields")
        ):
            return True
    return False


def called(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr
