"""The record of one event, verified as an audit verifies all."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass import EventNotFoundError, Finding
from aiobreakglass._evidence.single import verify_event

from .table import NAME, NOW, Past, Reader, Rows, removed, some_pasts
from .test_audit import DAMAGES, LATER, Damage, audited, kinds


async def verified(rows: Rows, event_id: str, **options: Any) -> list[Finding]:
    return await verify_event(Reader(rows).client, NAME, event_id, **{"now": LATER, **options})


@pytest.mark.parametrize("past", some_pasts(), ids=lambda past: past.created.invoker)
async def test_event_as_stores_write_it_has_no_findings(past: Past) -> None:
    assert await verified(past.rows, past.id) == []


@pytest.mark.parametrize("damage", [damage for damage, _ in DAMAGES.values()], ids=DAMAGES)
async def test_findings_are_those_of_an_audit(damage: Damage) -> None:
    """Only a scan finds rows that no event leads to: of other tables, and far beyond the end."""
    past = Past(invoker="zoe").extend()
    rows = damage(past)
    found, by_audit = await verified(rows, past.id), await audited(rows)
    missed = [finding for finding in by_audit if finding not in found]
    assert [finding for finding in found if finding not in by_audit] == []
    assert all(
        finding.subject.startswith("row ") or "900" in finding.subject for finding in missed
    )


async def test_event_from_before_histories_says_that_it_has_none() -> None:
    """It is an explanation, so it does not make the record wrong."""
    past = Past(is_old=True)
    (finding,) = await verified(past.old_rows, past.id)
    assert (finding.severity, finding.kind) == ("info", "no history")


async def test_unknown_event_is_not_whole() -> None:
    """Nothing is known of it, which must not look like "nothing is wrong"."""
    with pytest.raises(EventNotFoundError):
        await verified(Past().rows, "0" * 16)


async def test_arguments_are_checked_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="event_id must be exactly 16"):
        await verified({}, "42")
    with pytest.raises(ValueError, match="now must be timezone-aware"):
        await verified({}, "0" * 16, now=NOW.replace(tzinfo=None))


async def test_change_between_two_reads_is_no_finding() -> None:
    for answers in range(1, 4):
        past = Past(invoker="alice")
        reader = Reader(dict(past.rows))
        reader.change_before(answers, past, past.close)
        assert await verify_event(reader.client, NAME, past.id, now=LATER) == []
        assert past.event is not None
        assert past.event.closed_by == "bob"


async def test_event_that_changes_whenever_it_is_read_is_named() -> None:
    past = Past(invoker="alice")
    reader = Reader(removed(past.rows, [past.guard_key]))

    def write() -> None:
        row = reader.rows[past.key]
        write_id = {"S": str(len(reader.requests))}
        reader.rows = {**reader.rows, past.key: {**row, "write_id": write_id}}

    reader.before_answer = write
    assert kinds(await verify_event(reader.client, NAME, past.id, now=LATER)) == {"unsettled"}
