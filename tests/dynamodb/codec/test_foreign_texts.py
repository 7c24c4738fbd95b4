"""Rows with texts that this library would not write: which it reads, field by field."""

from __future__ import annotations

import pytest

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.canonical import read_canonical
from aiobreakglass._dynamodb.codec import decode_event, decode_events
from tests.documents.pages import ROOT, Page
from tests.model.foreign import FOREIGN_TEXTS

from .example import LAYOUT, MISSING, ROW, changed, encoded, event

PAGE = Page(ROOT / "docs" / "table.md")
CLOSED: Item = {
    "status": {"S": "closed"},
    "closed_by": {"S": "bob"},
    "closed_reason": {"S": "It answers again"},
}
FOREIGN = "disk full\x00"
REVIEWED: Item = {
    "reviewed_by": {"S": "carol"},
    "reviewed_at": {"S": "2024-03-01T14:00:00.000000Z"},
    "review_outcome": {"S": "justified"},
    "review_comment": {"S": "It was down"},
}
HELD: Item = {
    "held_by": {"S": "dave"},
    "held_at": {"S": "2024-03-01T14:00:00.000000Z"},
    "held_reason": {"S": "Case 7"},
}


def row_with(field: str, text: str) -> Item:
    """Return the row of an event that may have this field, with this text in it."""
    others: Item = {"mfa_verified": {"BOOL": True}}
    if field.startswith(("closed", "review", "ended")):
        others |= CLOSED
    if field.startswith("review"):
        others |= REVIEWED
    if field.startswith("held"):
        others |= HELD
    return changed(others | {field: text if text is MISSING else {"S": text}})


def documented() -> dict[str, str]:
    """Return what the page says about each field."""
    table = PAGE.text.partition("## Rows of other writers")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    return {field.strip("` "): read for fields, _, read in cells for field in fields.split(",")}


@pytest.mark.parametrize(("field", "text"), FOREIGN_TEXTS)
def test_text_that_breaks_a_rule_is_kept_unchanged(field: str, text: str) -> None:
    """The codec reads such a text unchanged, and would write it unchanged."""
    row = row_with(field, text)
    read = decode_event(row, LAYOUT)
    assert getattr(read, field) == text
    assert encoded(read)[field] == {"S": text}


def test_page_lists_each_field() -> None:
    """The page says for each field which texts the codec reads."""
    assert set(documented()) == set(BreakGlassEvent.model_fields)


@pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
def test_foreign_text_is_read_as_the_page_says(field: str) -> None:
    """The codec reads any text in the fields that the page names, and in no others."""
    if documented()[field].startswith("any text"):
        assert getattr(decode_event(row_with(field, FOREIGN), LAYOUT), field) == FOREIGN
    else:
        with pytest.raises(CorruptItemError):
            decode_event(row_with(field, FOREIGN), LAYOUT)


@pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
def test_empty_text_is_read_as_the_page_says(field: str) -> None:
    """An empty text means None in an optional field; elsewhere it is the text, or corrupt."""
    row = row_with(field, "")
    read = documented()[field]
    if "absent or empty" in read:
        assert decode_event(row, LAYOUT) == decode_event(row_with(field, MISSING), LAYOUT)
        return
    if "empty for none" in read:
        assert getattr(decode_event(row, LAYOUT), field) is None
    elif read == "any text":
        assert getattr(decode_event(row, LAYOUT), field) == ""
    else:
        with pytest.raises(CorruptItemError, match=field):
            decode_event(row, LAYOUT)


def test_row_with_foreign_text_among_own_rows() -> None:
    """A list reads such a row with the others, to the same event as the codec alone."""
    foreign = row_with("justification", FOREIGN)
    assert read_canonical([foreign], LAYOUT) is None
    ours, theirs = decode_events([ROW, foreign], LAYOUT)
    assert ours == event()
    assert theirs == decode_event(foreign, LAYOUT)
