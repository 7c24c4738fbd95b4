from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aiobreakglass import Finding, audit_table, export_events, verify_anchor
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.codec import encode_tombstone
from aiobreakglass._evidence import records

from .table import LAYOUT, NAME, NOW, Past, Reader, Rows, removed, some_pasts, table_of

LATER = NOW + timedelta(days=1)


async def anchor_of(rows: Rows, folder: Path) -> Path:
    """Make an anchor, and return the path of its manifest."""
    return await export_events(Reader(rows).client, NAME, folder, formats=[], now=NOW)


async def audited(rows: Rows) -> list[Finding]:
    return await audit_table(Reader(rows).client, NAME, now=LATER)


def briefly(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in findings]


def moved(row: Item, key: str, **attributes: Any) -> Item:
    """Return a row as it is put under another key."""
    return {**row, "pk": {"S": key}, **attributes}


class TestTextOfAnotherEntry:
    """Its hash is right, and so are its links; only its key is wrong."""

    async def test_history_of_another_event_is_not_understood(self) -> None:
        """It hides what the deleted event was, because both end with a deletion."""
        past, other = Past(invoker="mallory").extend().close().delete(), Past().delete()
        tip = {"revision": {"N": "2"}, "head": {"S": other.entries[-1].hash}}
        rows = {past.key: {**past.rows[past.key], **tip}}
        for revision in (1, 2):
            key = past.entry_key(revision)
            rows[key] = moved(other.rows[other.entry_key(revision)], key)
        findings = await audited({**rows, **other.rows})
        assert briefly(findings) == [("error", "not understood")] * 2
        assert [finding.subject for finding in findings] == [
            f"row {past.entry_key(revision)!r}" for revision in (1, 2)
        ]
        assert "another entry" in findings[0].found

    async def test_entry_under_the_key_of_another_revision_is_not_understood(self) -> None:
        past = Past(status="expired")
        key = past.entry_key(2)
        row = {**past.rows[past.key], "revision": {"N": "2"}}
        entry = moved(past.rows[past.entry_key(1)], key, revision={"N": "2"})
        findings = await audited({past.key: row, key: entry})
        assert ("error", "not understood") in briefly(findings)
        assert f"row {key!r}" in {finding.subject for finding in findings}

    async def test_anchored_history_of_another_event_is_not_understood(
        self, tmp_path: Path
    ) -> None:
        """The anchor was made when it was there already, so it has its hash."""
        past, other = Past(invoker="mallory").delete(), Past().delete()
        rows = {past.key: {**past.rows[past.key], "head": {"S": other.entries[-1].hash}}}
        for revision in (1, 2):
            key = past.entry_key(revision)
            rows[key] = moved(other.rows[other.entry_key(revision)], key)
        manifest = await anchor_of(rows, tmp_path)
        findings = await verify_anchor(Reader(rows).client, NAME, manifest, now=LATER)
        assert briefly(findings) == [("error", "not understood")] * 2


async def test_event_without_history_that_a_bare_tombstone_replaces_is_found(
    tmp_path: Path,
) -> None:
    """A store that deletes an event records that in its history."""
    past = Past()
    manifest = await anchor_of(past.old_rows, tmp_path)
    rows = {past.key: encode_tombstone(past.id, LAYOUT, deleted_at=LATER)}
    (finding,) = await verify_anchor(Reader(rows).client, NAME, manifest, now=LATER)
    assert (finding.severity, finding.kind) == ("warning", "changed outside")
    assert past.id in finding.subject


async def test_entry_zero_is_not_understood() -> None:
    """The first entry is number 1, so no history leads to this row."""
    past = Past()
    key = past.entry_key(0)
    (finding,) = await audited({**past.rows, key: {"pk": {"S": key}, "x": {"S": "junk"}}})
    assert (finding.severity, finding.kind) == ("error", "not understood")
    assert finding.subject == f"row {key!r}"


class TestLongHistory:
    """An audit first reads a limited number of entries, because a row may name any revision."""

    @pytest.fixture(autouse=True)
    def low_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(records, "_FIRST_ENTRIES", 3)

    @pytest.mark.parametrize("length", range(1, 10))
    async def test_whole_history_of_any_length_has_no_finding(
        self, length: int, tmp_path: Path
    ) -> None:
        past = long_past(length)
        assert await audited(past.rows) == []
        manifest = await anchor_of(past.rows, tmp_path)
        assert await verify_anchor(Reader(past.rows).client, NAME, manifest, now=LATER) == []

    @pytest.mark.parametrize("revision", range(1, 8))
    async def test_entry_that_is_missing_beyond_the_limit_is_found(self, revision: int) -> None:
        past = long_past(8)
        rows = removed(past.rows, [past.entry_key(revision)])
        assert {finding.kind for finding in await audited(rows)} == {"gap"}


def long_past(length: int) -> Past:
    """Return an event with this many entries."""
    past = Past()
    for number in range(1, length):
        past.extend(timedelta(hours=1, microseconds=number))
    assert len(past.entries) == length
    return past


LONG_KEY = LAYOUT.event_prefix + "x" * (2048 - len(LAYOUT.event_prefix))
"""The longest partition key that DynamoDB allows; that of its history would be longer."""


class Strict(Reader):
    """A client that refuses keys as DynamoDB does."""

    async def batch_get_item(self, **request: Any) -> Any:
        ((_, asked),) = request["RequestItems"].items()
        if any(len(key["pk"]["S"].encode()) > 2048 for key in asked["Keys"]):
            message = (
                "One or more parameter values were invalid: Size of hashkey has exceeded the "
                "maximum size limit of2048 bytes"
            )
            raise ClientError(
                {
                    "Error": {"Code": "ValidationException", "Message": message},
                    "ResponseMetadata": {"HTTPStatusCode": 400},  # type: ignore[typeddict-item] # the rest is not read
                },
                "BatchGetItem",
            )
        return await super().batch_get_item(**request)


class TestKeyOfTheGreatestLength:
    """One such row must not keep all others from being judged."""

    async def test_row_is_not_understood(self) -> None:
        rows = {**table_of(*some_pasts()), LONG_KEY: {"pk": {"S": LONG_KEY}}}
        (finding,) = await audit_table(Strict(rows).client, NAME, now=LATER)
        assert (finding.severity, finding.kind) == ("error", "not understood")
        assert finding.subject == f"row {LONG_KEY!r}"

    async def test_anchored_row_is_not_understood(self, tmp_path: Path) -> None:
        rows = {**table_of(*some_pasts()), LONG_KEY: {"pk": {"S": LONG_KEY}}}
        manifest = await anchor_of(rows, tmp_path)
        (finding,) = await verify_anchor(Strict(rows).client, NAME, manifest, now=LATER)
        assert (finding.severity, finding.kind) == ("error", "not understood")
        assert finding.subject == f"row {LONG_KEY!r}"

    async def test_row_that_the_anchor_does_not_have_was_added(self, tmp_path: Path) -> None:
        rows = table_of(*some_pasts())
        manifest = await anchor_of(rows, tmp_path)
        rows[LONG_KEY] = {"pk": {"S": LONG_KEY}}
        (finding,) = await verify_anchor(Strict(rows).client, NAME, manifest, now=LATER)
        assert (finding.severity, finding.kind) == ("warning", "added")


@pytest.mark.parametrize("label", ["\x1b[2J", "line\nbreak", "\u202egnp.exe", "\u2028"])
async def test_finding_about_a_hostile_label_is_printable(label: str, tmp_path: Path) -> None:
    """Its text goes to a terminal or a log, where it must not forge other lines."""
    past = Past()
    row = {**past.rows[past.key], "labels": {"M": {label: {"N": "1"}}}}
    rows = {**past.rows, past.key: row}
    manifest = await anchor_of(rows, tmp_path)
    for findings in (
        await audited(rows),
        await verify_anchor(Reader(rows).client, NAME, manifest, now=LATER),
    ):
        assert "not understood" in {finding.kind for finding in findings}
        assert all(str(finding).isprintable() for finding in findings)
