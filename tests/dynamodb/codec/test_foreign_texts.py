"""Rows with texts that this library would not write: where the line is, field by field."""

from __future__ import annotations

import pytest

from aiobreakglass import BreakGlassEvent, CorruptItemError
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.canonical import read_canonical
from aiobreakglass._dynamodb.codec import decode_event, decode_events
from tests.documents.pages import ROOT, Page
from tests.model.foreign import FOREIGN_TEXTS

from .example import LAYOUT, ROW, changed, encoded, event

PAGE = Page(ROOT / "docs" / "table.md")
CLOSED: Item = {
    "status": {"S": "closed"},
    "closed_by": {"S": "bob"},
    "closed_reason": {"S": "It answers again"},
}
FOREIGN = "disk full\x00"


def row_with(field: str, text: str) -> Item:
    """Return a row with this text, of an event that may have one there."""
    closing = CLOSED if field.startswith("closed") else {}
    return changed({"mfa_verified": {"BOOL": True}, **closing, field: {"S": text}})


def documented() -> dict[str, str]:
    """Return what the page says is read of each field."""
    table = PAGE.text.partition("## Rows of other writers")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| `")
    ]
    return {field.strip("` "): read for fields, _, read in cells for field in fields.split(",")}


@pytest.mark.parametrize(("field", "text"), FOREIGN_TEXTS)
def test_a_text_that_breaks_a_rule_for_writing(field: str, text: str) -> None:
    """A row is read whatever its texts say, and would be written to the letter."""
    row = row_with(field, text)
    read = decode_event(row, LAYOUT)
    assert getattr(read, field) == text
    assert encoded(read)[field] == {"S": text}


def test_the_page_knows_each_field() -> None:
    """The line is decided for each field, and a new field needs a decision."""
    assert set(documented()) == set(BreakGlassEvent.model_fields)


@pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
def test_the_line_is_where_the_page_draws_it(field: str) -> None:
    """Any text is read in the fields of which the page says so, and in no others."""
    if documented()[field].startswith("any text"):
        assert getattr(decode_event(row_with(field, FOREIGN), LAYOUT), field) == FOREIGN
    else:
        with pytest.raises(CorruptItemError, match=field):
            decode_event(row_with(field, FOREIGN), LAYOUT)


@pytest.mark.parametrize("field", BreakGlassEvent.model_fields)
def test_an_empty_text(field: str) -> None:
    """An empty text is no value where there may be none, and else is corrupt."""
    row = row_with(field, "")
    read = documented()[field]
    if "empty for none" in read:
        assert getattr(decode_event(row, LAYOUT), field) is None
    elif read == "any text":
        assert getattr(decode_event(row, LAYOUT), field) == ""
    else:
        with pytest.raises(CorruptItemError, match=field):
            decode_event(row, LAYOUT)


def test_among_rows_of_our_own() -> None:
    """One such row is read with the others, and is the same event wherever it is read."""
    foreign = row_with("justification", FOREIGN)
    assert read_canonical([foreign], LAYOUT) is None
    ours, theirs = decode_events([ROW, foreign], LAYOUT)
    assert ours == event()
    assert theirs == decode_event(foreign, LAYOUT)
