from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import BreakGlassEvent, export_events
from aiobreakglass._domain.event import read_event
from aiobreakglass._domain.history import (
    canonical_json,
    digest_of,
    event_values,
    hash_of,
    read_entry,
    read_event_values,
)
from aiobreakglass._domain.timestamps import decode_time
from aiobreakglass._evidence.formats import Spelling, defused, read_cell
from aiobreakglass.testing import make_event

from .table import NAME, NOW, Past, Reader

WHOLE, SHORT = Spelling(has_justifications=True), Spelling(has_justifications=False)
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1")
STARTS = set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
names = st.one_of(st.sampled_from(FORMULAS), texts)


@st.composite
def events(draw: st.DrawFn) -> BreakGlassEvent:
    """Draw events as other writers can have written them."""
    event = make_event(
        created_at=NOW, duration=timedelta(microseconds=draw(st.integers(1, 10**9)))
    )
    values = {
        **vars(event),
        "invoker": draw(names),
        "profile": draw(names),
        "justification": draw(st.one_of(st.just(""), names)),
        "request_id": draw(st.none() | names),
        "labels": draw(st.dictionaries(st.sampled_from(["ticket", "team"]), names)),
    }
    if draw(st.booleans()):
        ended = {"status": "closed", "closed_by": draw(names), "closed_reason": draw(names)}
        values |= {**ended, "updated_at": NOW + timedelta(minutes=1)}
    return read_event(values)


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


@given(texts)
def test_defused_cell_can_be_read_back(text: str) -> None:
    assert read_cell(defused(text)) == text
    assert defused(text)[:1] not in STARTS


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_defused(text: str) -> None:
    assert defused(text) == "'" + text


@pytest.mark.parametrize("text", ["alice", "", " =1", "1-1", "a=b", "{}", '"', ","])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert defused(text) == text


@given(st.lists(events(), max_size=5))
def test_events_survive_csv(written: list[BreakGlassEvent]) -> None:
    """Every field of every event can be read back, whatever its texts hold."""
    rows = table(WHOLE.header(of_history=False) + WHOLE.rows(written))
    assert len(rows) == len(written)
    for row, event in zip(rows, written, strict=True):
        assert read_event(values_of(row)) == event


def values_of(row: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: read_cell(cell) for name, cell in row.items() if cell}
    values.setdefault("justification", "")
    for name in values:
        if name.endswith("_at"):
            values[name] = decode_time(values[name])
    seconds, _, microseconds = values.pop("duration_seconds").partition(".")
    values["duration"] = timedelta(
        seconds=int(seconds), microseconds=int(microseconds.ljust(6, "0"))
    )
    values["mfa_verified"] = values["mfa_verified"] == "true"
    values["extensions"] = int(values["extensions"])
    values["labels"] = json.loads(values.get("labels", "{}"))
    return values


@given(st.lists(events(), max_size=5))
def test_no_cell_begins_like_a_formula(written: list[BreakGlassEvent]) -> None:
    for row in table(WHOLE.header(of_history=False) + WHOLE.rows(written)):
        assert {cell[:1] for cell in row.values()}.isdisjoint(STARTS)


@given(st.lists(events(), max_size=5))
def test_events_survive_json_lines(written: list[BreakGlassEvent]) -> None:
    """Each line is the canonical JSON of an event, so its SHA-256 is the digest in its row."""
    lines = WHOLE.lines(written).split(b"\n")
    assert lines.pop() == b""
    assert [read_event_values(json.loads(line)) for line in lines] == written
    assert [hash_of(line.decode()) for line in lines] == [digest_of(event) for event in written]


def test_csv_is_that_of_rfc_4180() -> None:
    """Rows end with CR LF, and cells with line breaks, commas or quotes are quoted."""
    event = make_event(created_at=NOW, justification='It is down,\nsaid "alice" to everybody')
    header, rows = WHOLE.header(of_history=False), WHOLE.rows([event])
    assert header.startswith(b"id,invoker,profile,reason_code,justification,duration_seconds,")
    assert header.endswith(b"\r\n")
    assert rows.endswith(b"\r\n")
    assert b'"It is down,\nsaid ""alice"" to everybody"' in rows
    assert b",3600,active,2024-03-01T12:00:00.000000Z," in rows


def test_duration_is_exact() -> None:
    event = make_event(created_at=NOW, duration=timedelta(seconds=3, microseconds=7))
    assert b",3.000007," in WHOLE.rows([event])


def test_history_has_each_entry_with_its_event() -> None:
    past = Past(id="0" * 16).extend().close().delete()
    rows = table(WHOLE.header(of_history=True) + WHOLE.rows(past.entries))
    assert [row["action"] for row in rows] == ["created", "extended", "closed", "deleted"]
    assert [row["by"] for row in rows] == ["alice", "carol", "bob", "dave"]
    assert [row["event.status"] for row in rows] == ["active", "active", "closed", ""]
    assert [row["hash"] for row in rows] == [entry.hash for entry in past.entries]
    for line, entry in zip(WHOLE.lines(past.entries).splitlines(), past.entries, strict=True):
        values = json.loads(line)
        assert hash_of(values["entry"]) == values["hash"]
        assert read_entry(values["entry"], values["hash"], values["history_ttl"]) == entry


def test_justifications_can_be_left_out() -> None:
    past = Past(justification="A secret reason that nobody else may read").close()
    assert past.event is not None
    written = [
        *(SHORT.header(of_history=of_history) for of_history in (False, True)),
        SHORT.lines([past.event]),
        SHORT.rows([past.event]),
        SHORT.lines(past.entries),
        SHORT.rows(past.entries),
    ]
    for content in written:
        assert b"justification" not in content
        assert b"secret" not in content
    (line,) = SHORT.lines([past.event]).splitlines()
    kept = {name: value for name, value in event_values(past.event).items() if name[:2] != "ju"}
    assert line.decode() == canonical_json(kept)


@pytest.mark.parametrize(
    ("formats", "has_justifications"),
    [(["jsonl", "csv"], True), (["jsonl", "csv"], False), (["jsonl"], False), (["csv"], True)],
)
async def test_entry_with_a_lone_surrogate_is_exported(
    formats: Any, has_justifications: bool, tmp_path: Path
) -> None:
    """Its text has the surrogate as an escape, so the text is UTF-8, but its note is not."""
    past = Past()
    text = json.dumps({**json.loads(past.entries[0].entry), "note": "\ud800"})
    assert "\\ud800" in text
    key = past.entry_key(1)
    row = {**past.rows[key], "entry": {"S": text}, "hash": {"S": hash_of(text)}}
    path = await export_events(
        Reader({**past.rows, key: row}).client,
        NAME,
        tmp_path,
        what="history",
        formats=formats,
        justifications=has_justifications,
        now=NOW,
    )
    manifest = json.loads(path.read_text())
    assert manifest["unreadable"] == 0
    assert [file["count"] for file in manifest["files"]] == [1] * len(formats)
    if "jsonl" in formats:
        (line,) = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
        exported = json.loads(line)["entry"]
        assert json.loads(exported)["note"] == "\ud800"
        assert (exported == text) is has_justifications
    if "csv" in formats:
        (cells,) = table((tmp_path / "history.csv").read_bytes())
        assert cells["note"] == "\\ud800"
