"""Define what verifications find, and show what a forged record says without repeating it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from aiobreakglass._domain.fields import is_hash, valid_event_id

Severity = Literal["error", "warning", "info"]

COMPARE: Final = "compare with an anchor or a backup, and find out who could write to the table"
"""What to do about a record that no store wrote."""

EXPIRED: Final = "expired by retention"
"""The kind of findings that explain what retention has removed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a verification found."""

    severity: Severity
    """An "error" contradicts the record, a "warning" needs an explanation, and an "info" is the
    explanation of something that is missing."""
    kind: str
    """What is wrong, in a word or two, such as "altered"."""
    subject: str
    """What it is about, such as an event or one entry of its history."""
    found: str
    expected: str
    fix: str
    """What to do about it."""

    def __str__(self) -> str:
        return (
            f"{self.severity}: {self.subject}: {self.kind}: found {self.found}; "
            f"expected {self.expected}; {self.fix}"
        )


def error(kind: str, subject: str, found: str, expected: str, fix: str) -> Finding:
    """Return a finding that contradicts the record."""
    return Finding("error", kind, subject, found, expected, f"{fix}: {COMPARE}")


def expired(subject: str, found: str, expected: str) -> Finding:
    """Return the explanation of what retention has removed."""
    return Finding("info", EXPIRED, subject, found, expected, "nothing needs to be done")


def shown_event(event_id: str | None) -> str:
    """Return how a finding names an event; a forged id may hold anything."""
    try:
        return f"event {valid_event_id(event_id or '')}"
    except ValueError:
        return "an event with an id that is not well-formed"


def shown_entry(event_id: str | None, revision: int) -> str:
    """Return how a finding names an entry."""
    return f"{shown_event(event_id)} entry {revision}"


def shown_hash(entry_hash: object) -> str:
    """Return how a finding names a hash; a forged one may hold anything."""
    if is_hash(entry_hash):
        return entry_hash
    return "none" if entry_hash is None else "a text that is not a hash"
