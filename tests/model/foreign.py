"""Texts that other writers wrote and that this library would not write."""

from __future__ import annotations

from typing import Any

from aiobreakglass import BreakGlassEvent
from aiobreakglass._domain.event import read_event

from .example import CLOSING, HOLD, REVIEW, event

_NAMES = ["a" * 257, "a" * 30_000, " alice ", "\t", "al\x00ice", "al\u200bice", "e\u0301lodie"]
_TEXTS = ["x" * 1001, "O\x1bver", " \n ", "\u2800"]

FOREIGN_TEXTS: list[tuple[str, str]] = [
    *(
        (field, name)
        for field in ("invoker", "profile", "request_id", "closed_by", "mfa_method")
        for name in _NAMES
    ),
    ("mfa_challenge_id", "challenge\n7"),
    *((field, text) for field in ("justification", "closed_reason") for text in _TEXTS),
    ("justification", "disk full"),
    ("justification", ""),
]
"""Fields, each with a text that breaks a rule for writing."""

FOREIGN_ADDITIONS: list[tuple[str, Any]] = [
    *((field, name) for field in ("reviewed_by", "held_by") for name in _NAMES),
    *((field, text) for field in ("review_comment", "held_reason") for text in _TEXTS),
    *(("labels", {key: "x"}) for key in ("", "Team", "te am", "\u00e9quipe", "k" * 64)),
    *(("labels", {"team": name}) for name in ("", *_NAMES)),
    ("labels", {f"team{number}": "x" for number in range(17)}),
]
"""The same, of fields that are added to ended events, and of labels."""


def fields_with(field: str, value: object) -> dict[str, Any]:
    """Return the fields of an event, one of them as another writer might have written it."""
    context = CLOSING if field.startswith("closed") else {}
    if (field, value) in FOREIGN_ADDITIONS and field != "labels":
        context = {**CLOSING, **REVIEW, **HOLD}
    return {**vars(event(mfa_verified=True, **context)), field: value}


def foreign_event(field: str = "justification", value: object = "disk full") -> BreakGlassEvent:
    """Return an event as it is read from a row of another writer."""
    return read_event(fields_with(field, value))
