from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aiobreakglass import Finding, audit_table, export_events, verify_anchor
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import history_ttl, seconds_since_1970

from .table import NAME, NOW, RETENTION, Past, Reader, Rows, removed

MADE = NOW + timedelta(days=1)
"""When the anchor is made."""
LATER = MADE + timedelta(days=1)

AT_ONCE = 1
"""A `history_ttl` that no store sets, because it is older than every event."""
EARLIEST = history_ttl(NOW, timedelta(0))
"""What a store without any retention sets for an event of `NOW`."""


async def anchor_of(rows: Rows, folder: Path) -> Path:
    """Make an anchor, and return the path of its manifest."""
    return await export_events(Reader(rows).client, NAME, folder, formats=[], now=MADE)


async def verified(rows: Rows, manifest: Path, now: datetime = LATER) -> list[Finding]:
    return await verify_anchor(Reader(rows).client, NAME, manifest, now=now)


async def audited(rows: Rows, now: datetime = LATER) -> list[Finding]:
    return await audit_table(Reader(rows).client, NAME, now=now)


def briefly(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in findings]


def kept_until(row: Item, ttl: int | None) -> Item:
    """Return a row with a forged `history_ttl`, which no hash covers."""
    return {**row, "history_ttl": {"N": str(ttl)}}


class TestForgedInAnEntry:
    """Whoever can write to the table lowers it, and removes what seems to have expired."""

    async def test_anchor_knows_how_long_a_history_is_kept(self, tmp_path: Path) -> None:
        """The last entry claims to be over after 8 days, but its event is kept for a year."""
        past = Past().extend().close()
        manifest = await anchor_of(past.rows, tmp_path)
        rows = removed(past.rows, [past.entry_key(1), past.entry_key(2)])
        rows[past.entry_key(3)] = kept_until(rows[past.entry_key(3)], EARLIEST)
        findings = await verified(rows, manifest, NOW + timedelta(days=9))
        assert briefly(findings) == [("error", "gap")]
        assert past.id in findings[0].subject

    async def test_anchor_knows_how_long_the_history_of_a_deleted_event_is_kept(
        self, tmp_path: Path
    ) -> None:
        """The last entry has no event, so any time could be that of a store."""
        past = Past().extend().close().delete()
        manifest = await anchor_of(past.rows, tmp_path)
        rows = removed(past.rows, map(past.entry_key, (1, 2, 3)))
        rows[past.entry_key(4)] = kept_until(rows[past.entry_key(4)], AT_ONCE)
        findings = await verified(rows, manifest)
        assert briefly(findings) == [("error", "gap")]
        assert past.id in findings[0].subject

    async def test_history_whose_anchored_retention_has_ended_is_explained(
        self, tmp_path: Path
    ) -> None:
        past = Past().extend().close()
        manifest = await anchor_of(past.rows, tmp_path)
        rows = removed(past.rows, [past.key, past.entry_key(1)])
        findings = await verified(rows, manifest, NOW + RETENTION + timedelta(days=9))
        assert briefly(findings) == [("info", "expired by retention")]


class TestForgedInARow:
    async def test_removed_history_is_truncated(self) -> None:
        """No store sets a time before the event's end, so the row's is not believed."""
        past = Past().close()
        rows = removed(past.rows, map(past.entry_key, (1, 2)))
        rows[past.key] = kept_until(rows[past.key], AT_ONCE)
        findings = await audited(rows)
        assert briefly(findings) == [("error", "truncated")]
        assert past.id in findings[0].subject

    async def test_removed_history_is_truncated_for_the_anchor(self, tmp_path: Path) -> None:
        past = Past().close()
        manifest = await anchor_of(past.rows, tmp_path)
        rows = removed(past.rows, map(past.entry_key, (1, 2)))
        rows[past.key] = kept_until(rows[past.key], AT_ONCE)
        assert ("error", "truncated") in briefly(await verified(rows, manifest))

    async def test_removed_history_of_a_held_event_is_truncated(self) -> None:
        """Nothing of a held event expires."""
        past = held()
        rows = removed(past.rows, [past.entry_key(1)])
        after = NOW + RETENTION + timedelta(days=30)
        assert briefly(await audited(rows, after)) == [("error", "truncated")]

    @pytest.mark.parametrize("ttl", [AT_ONCE, EARLIEST, 10**12])
    async def test_other_time_than_in_the_newest_entry_is_found(self, ttl: int) -> None:
        """The row's next change would give this time to the entry that records it."""
        past = Past().extend()
        assert await audited(past.rows) == []
        rows = {**past.rows, past.key: kept_until(past.rows[past.key], ttl)}
        findings = await audited(rows)
        assert briefly(findings) == [("error", "altered")]
        assert "history_ttl" in findings[0].found
        assert past.id in findings[0].subject

    async def test_missing_time_is_found(self) -> None:
        past = Past()
        row = {name: value for name, value in past.rows[past.key].items() if name[:7] != "history"}
        assert briefly(await audited({**past.rows, past.key: row})) == [("error", "altered")]


def held() -> Past:
    """Return an event that must be kept whatever its `history_ttl` says."""
    return Past(status="expired", held_by="legal", held_at=NOW, held_reason="case 7")


async def test_held_event_that_is_removed_after_its_retention_is_found(tmp_path: Path) -> None:
    """Its `history_ttl` stays in its rows, for the time when the hold ends."""
    past = held()
    assert past.entries[0].history_ttl is not None
    manifest = await anchor_of(past.rows, tmp_path)
    after = NOW + RETENTION + timedelta(days=30)
    assert await verified(past.rows, manifest, after) == []
    findings = await verified({}, manifest, after)
    assert briefly(findings) == [("error", "removed")]
    assert past.id in findings[0].subject


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_event_that_a_backup_brings_back_is_explained(
    is_deleted: bool, tmp_path: Path
) -> None:
    """The anchor does not have it, because retention had removed it before."""
    past = Past(created_at=MADE - RETENTION - timedelta(days=15)).close()
    if is_deleted:
        past.delete()
    manifest = await anchor_of({}, tmp_path)
    ended = {"N": str(seconds_since_1970(past.created.expires_at + RETENTION))}
    rows = {key: {**row, "ttl": ended} for key, row in past.rows.items()}
    findings = await verified(rows, manifest)
    assert briefly(findings) == [("warning", "added")]
    assert past.id in findings[0].subject
    assert "backup" in findings[0].fix


async def test_added_event_whose_retention_ended_since_the_anchor_is_an_error(
    tmp_path: Path,
) -> None:
    """The anchor would have it if it were as old as it says."""
    past = Past(invoker="forged").close()
    manifest = await anchor_of({}, tmp_path)
    ended = {"N": str(seconds_since_1970(MADE + timedelta(minutes=1)))}
    rows = {key: {**row, "ttl": ended} for key, row in past.rows.items()}
    assert briefly(await verified(rows, manifest)) == [("error", "added")]
