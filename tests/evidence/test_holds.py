"""Holds and releases in audits, and beside an anchor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aiobreakglass import Finding, audit_table, export_events, verify_anchor
from aiobreakglass._aws.transaction import AttributeValue
from aiobreakglass._domain.oversight import decide_hold, decide_release

from .table import LAYOUT, NAME, NOW, RETENTION, Past, Reader, Rows

LATER = NOW + timedelta(days=1)


def held(past: Past) -> Past:
    """Put an event under a hold."""
    assert past.event is not None
    return past.record(decide_hold(past.event, "counsel", "Case 7", NOW + timedelta(minutes=30)))


def released(past: Past) -> Past:
    """End the hold of an event."""
    assert past.event is not None
    at = NOW + timedelta(minutes=40)
    return past.record(decide_release(past.event, "counsel", "Case closed", at))


def with_times(past: Past, *, longer: int = 0, held_entries: int = 0) -> Rows:
    """Return the rows with their times to live.

    Args:
        past: The event.
        longer: How many seconds longer the row and its newest entry are kept than the others.
        held_entries: How many entries have no time to live, the oldest first.
    """
    rows = past.rows
    is_held = "held_by" in rows[past.key]
    last = len(past.entries)
    for revision in range(1, last + 1):
        row = rows[past.entry_key(revision)]
        if revision == last:
            row["history_ttl"] = _longer(row["history_ttl"], longer)
        if revision > held_entries and not is_held:
            row["ttl"] = row["history_ttl"]
    rows[past.key]["history_ttl"] = _longer(rows[past.key]["history_ttl"], longer)
    return rows


def _longer(ttl: AttributeValue, seconds: int) -> AttributeValue:
    return {"N": str(int(ttl["N"]) + seconds)}


async def audited(rows: Rows, now: datetime = LATER) -> list[Finding]:
    return await audit_table(Reader(rows).client, NAME, now=now)


def kinds(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.kind) for finding in findings]


def having(rows: Rows, key: str, **attributes: int) -> Rows:
    changed = {name: {"N": str(value)} for name, value in attributes.items()}
    return {**rows, key: {**rows[key], **changed}}


def ended() -> Past:
    return Past().close()


FINISHED: dict[str, Callable[[], Rows]] = {
    "held": lambda: with_times(held(ended())),
    "released": lambda: with_times(released(held(ended()))),
    "held again": lambda: with_times(held(released(held(ended())))),
}


@pytest.mark.parametrize("rows", FINISHED.values(), ids=FINISHED)
async def test_finished_holds_and_releases_are_no_findings(rows: Callable[[], Rows]) -> None:
    assert await audited(rows()) == []


class TestUnfinished:
    async def test_hold_that_left_times_to_live(self) -> None:
        """The finding says what finishes it, and not that anything was altered."""
        past = held(ended())
        rows = with_times(past)
        kept = int(rows[past.key]["history_ttl"]["N"])
        found = await audited(having(rows, past.entry_key(1), ttl=kept))
        assert kinds(found) == [("warning", "unfinished hold")]
        assert "call hold again" in found[0].fix

    @pytest.mark.parametrize(("longer", "entries"), [(0, 3), (100, 0), (100, 3)])
    async def test_release_that_left_entries_behind(self, longer: int, entries: int) -> None:
        """Entries may lack their time to live, or have that from before the hold."""
        rows = with_times(released(held(ended())), longer=longer, held_entries=entries)
        found = await audited(rows)
        assert kinds(found) == [("warning", "unfinished release")]
        assert "call release_hold again" in found[0].fix

    async def test_times_that_no_release_leaves_are_altered(self) -> None:
        """Nobody hides behind a release who shortens how long an entry is kept."""
        past = released(held(ended()))
        rows = with_times(past, longer=100, held_entries=3)
        found = await audited(having(rows, past.entry_key(1), ttl=1))
        assert ("error", "altered") in kinds(found)

    @pytest.mark.parametrize("revisions", [(1,), (1, 2, 3)], ids=["one", "all before the release"])
    async def test_earlier_time_than_any_store_sets_is_altered(
        self, revisions: tuple[int, ...]
    ) -> None:
        """No history is kept for less than eight days, so a release does not explain this."""
        past = released(held(ended()))
        rows = with_times(past, longer=100)
        for revision in revisions:
            rows = having(rows, past.entry_key(revision), ttl=1, history_ttl=1)
        assert ("error", "altered") in kinds(await audited(rows))

    async def test_different_times_before_one_release_are_altered(self) -> None:
        """All entries had the same time before the release."""
        past = released(held(ended()))
        rows = with_times(past, longer=100)
        kept = int(rows[past.entry_key(1)]["history_ttl"]["N"]) - 7
        rows = having(rows, past.entry_key(1), ttl=kept, history_ttl=kept)
        assert ("error", "altered") in kinds(await audited(rows))

    async def test_newer_entry_with_other_times_is_altered(self) -> None:
        """A release leaves no entry behind that was written after it."""
        past = released(held(Past())).close(timedelta(minutes=50))
        rows = with_times(past, longer=100)
        rows[past.entry_key(3)]["history_ttl"] = rows[past.entry_key(4)]["history_ttl"]
        rows[past.entry_key(3)]["ttl"] = rows[past.entry_key(4)]["history_ttl"]
        assert kinds(await audited(rows)) == [("warning", "unfinished release")]
        rows[past.entry_key(4)]["history_ttl"] = _longer(rows[past.entry_key(4)]["ttl"], -7)
        assert ("error", "altered") in kinds(await audited(rows))

    async def test_other_history_ttl_without_any_hold_is_altered(self) -> None:
        """Only a hold explains a difference."""
        past = ended()
        rows = with_times(past, longer=100)
        assert ("error", "altered") in kinds(await audited(rows))


@pytest.mark.parametrize("place", ["row", "newest entry"])
async def test_time_to_live_of_a_held_event_is_altered(place: str) -> None:
    """A hold writes none: neither to the row nor to its own entry."""
    past = held(ended())
    rows = with_times(past)
    key = past.key if place == "row" else past.entry_key(3)
    kept = int(rows[past.key]["history_ttl"]["N"])
    assert kinds(await audited(having(rows, key, ttl=kept))) == [("error", "altered")]


class TestAnchor:
    async def anchor(self, rows: Rows, folder: Path) -> Path:
        return await export_events(Reader(rows).client, NAME, folder, formats=[], now=LATER)

    async def verified(self, rows: Rows, manifest: Path, now: datetime = LATER) -> list[Finding]:
        return await verify_anchor(Reader(rows).client, NAME, manifest, now=now)

    async def test_hold_after_the_anchor(self, tmp_path: Path) -> None:
        """An event may be held at any time."""
        past = ended()
        manifest = await self.anchor(with_times(past), tmp_path)
        assert await self.verified(with_times(held(past)), manifest) == []

    @pytest.mark.parametrize("longer", [0, 100])
    async def test_release_after_the_anchor(self, tmp_path: Path, longer: int) -> None:
        """The anchor has a held event, which nothing removes; the release gives it a retention."""
        past = held(ended())
        manifest = await self.anchor(with_times(past), tmp_path)
        rows = with_times(released(past), longer=longer)
        if longer:
            assert kinds(await self.verified(rows, manifest)) == [
                ("warning", "unfinished release")
            ]
        else:
            assert await self.verified(rows, manifest) == []

    async def test_unfinished_hold_before_the_anchor(self, tmp_path: Path) -> None:
        """It is unfinished, and nothing else."""
        past = held(ended())
        rows = with_times(past)
        kept = int(rows[past.key]["history_ttl"]["N"])
        rows = having(rows, past.entry_key(1), ttl=kept)
        manifest = await self.anchor(rows, tmp_path)
        assert kinds(await self.verified(rows, manifest)) == [("warning", "unfinished hold")]

    async def test_held_event_that_is_gone(self, tmp_path: Path) -> None:
        """A held event has no retention that could have removed it."""
        manifest = await self.anchor(with_times(held(ended())), tmp_path)
        much_later = NOW + 2 * RETENTION
        assert kinds(await self.verified({}, manifest, much_later)) == [("error", "removed")]


SLOT_KEY = "SLOT#P#prod#00"


@pytest.mark.parametrize("is_right", [True, False])
async def test_slots_are_rows_like_any_other(is_right: bool) -> None:
    """The audit knows slots, and names those that say nothing."""
    used = "2024-03-01T12:00:00.000000Z" if is_right else "noon"
    slot = {"pk": {"S": SLOT_KEY}, "used_at": {"S": used}, "event_id": {"S": "0" * 16}}
    found = await audited({SLOT_KEY: slot})
    assert kinds(found) == ([] if is_right else [("error", "not understood")])
    assert LAYOUT.slot_prefix == "SLOT#"
