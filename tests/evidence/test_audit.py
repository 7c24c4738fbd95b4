from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import Finding, ScanProgress, audit_table
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._evidence.records import groups

from .table import LAYOUT, NAME, NOW, RETENTION, Past, Reader, Rows, removed, some_pasts, table_of

LATER = NOW + timedelta(days=1)


async def audited(rows: Rows, **options: Any) -> list[Finding]:
    return await audit_table(Reader(rows).client, NAME, **{"now": LATER, **options})


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def changed(row: Item, **attributes: Any) -> Item:
    """Return a row with other attributes; None removes one."""
    merged = {**row, **attributes}
    return {name: value for name, value in merged.items() if value is not None}


async def test_table_as_stores_write_it_has_no_findings() -> None:
    assert await audited(table_of(*some_pasts())) == []


async def test_empty_table_has_no_findings() -> None:
    assert await audited({}) == []


def closed_by_hand(past: Past) -> Rows:
    before = past.rows
    kept = {name: before[past.key][name] for name in ("revision", "head", "digest")}
    closed = past.close().rows[past.key]
    return {**removed(before, [past.guard_key]), past.key: {**closed, **kept}}


def with_justification(past: Past, text: str) -> Rows:
    row = changed(past.rows[past.key], justification={"S": text})
    return {**past.rows, past.key: row}


def with_entry(past: Past, revision: int, **attributes: Any) -> Rows:
    key = past.entry_key(revision)
    return {**past.rows, key: changed(past.rows[key], **attributes)}


Damage = Callable[[Past], Rows]

DAMAGES: dict[str, tuple[Damage, set[str]]] = {
    "event removed": (lambda past: removed(past.rows, [past.key]), {"not as recorded"}),
    "guard removed": (lambda past: removed(past.rows, [past.guard_key]), {"without guard"}),
    "guard of another": (
        lambda past: {
            **past.rows,
            past.guard_key: {**past.rows[past.guard_key], "event_id": {"S": "f" * 16}},
        },
        {"guard of another event", "guard without event"},
    ),
    "guard without an id": (
        lambda past: {**past.rows, past.guard_key: {"pk": {"S": past.guard_key}}},
        {"not understood", "guard of another event"},
    ),
    "first entry removed": (lambda past: removed(past.rows, [past.entry_key(1)]), {"gap"}),
    "last entry removed": (
        lambda past: removed(past.rows, [past.entry_key(2)]),
        {"truncated", "not as recorded"},
    ),
    "history removed": (
        lambda past: removed(past.rows, [past.entry_key(1), past.entry_key(2)]),
        {"truncated"},
    ),
    "history of a deleted event removed": (
        lambda past: {past.key: past.delete().rows[past.key]},
        {"truncated"},
    ),
    "entry altered": (
        lambda past: with_entry(
            past, 1, entry={"S": past.entries[0].entry.replace("incident", "security")}
        ),
        {"wrong hash", "altered"},
    ),
    "entry with another hash": (
        lambda past: with_entry(past, 2, hash={"S": "0" * 64}),
        {"wrong hash", "altered"},
    ),
    "entry without a text": (
        lambda past: with_entry(past, 2, entry=None),
        {"not understood", "not as recorded"},
    ),
    "entry far beyond the end": (
        lambda past: {
            **past.rows,
            past.entry_key(900): {
                **past.rows[past.entry_key(2)],
                "pk": {"S": past.entry_key(900)},
            },
        },
        {"unlinked entry"},
    ),
    "justification altered": (
        lambda past: with_justification(past, "Something quite different was the reason"),
        {"altered", "not as recorded"},
    ),
    "closed by hand": (closed_by_hand, {"changed outside", "not as recorded"}),
    "revision dropped": (
        lambda past: {
            **past.rows,
            past.key: changed(past.rows[past.key], revision=None, head=None, digest=None),
        },
        {"changed outside"},
    ),
    "revision reverted": (
        lambda past: {**past.rows, past.key: changed(past.rows[past.key], revision={"N": "1"})},
        {"changed outside"},
    ),
    "revision ahead": (
        lambda past: {**past.rows, past.key: changed(past.rows[past.key], revision={"N": "7"})},
        {"truncated"},
    ),
    "revision far ahead": (
        lambda past: {
            **past.rows,
            past.key: changed(past.rows[past.key], revision={"N": "999999"}),
        },
        {"truncated"},
    ),
    "head altered": (
        lambda past: {**past.rows, past.key: changed(past.rows[past.key], head={"S": "0" * 64})},
        {"altered"},
    ),
    "event is no event": (
        lambda past: {
            **removed(past.rows, [past.guard_key]),
            past.key: changed(past.rows[past.key], status={"N": "1"}),
        },
        {"not understood"},
    ),
    "key of another table": (
        lambda past: {**past.rows, "ORDER#1": {"pk": {"S": "ORDER#1"}}},
        {"not understood"},
    ),
    "key of no entry": (
        lambda past: {**past.rows, "HISTORY#x": {"pk": {"S": "HISTORY#x"}}},
        {"not understood"},
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_found(damage: Damage, expected: set[str]) -> None:
    """It is found once for each kind, and the other events have no findings."""
    past = Past(invoker="zoe").extend()
    others = table_of(*some_pasts())
    findings = await audited({**others, **damage(past)})
    assert kinds(findings) >= expected
    for finding in findings:
        assert finding.kind in str(finding)
        assert str(finding).isprintable()
    assert not [finding for finding in findings if any(key in str(finding) for key in others)]


async def test_deleted_event_whose_tombstone_was_replaced_is_found() -> None:
    """An event that is brought back contradicts the entry that deleted it."""
    past = Past().delete()
    rows = {**past.rows, past.key: Past(id=past.id).rows[past.key]}
    assert "not as recorded" in kinds(await audited(rows))


async def test_events_from_before_histories_are_counted_in_one_finding() -> None:
    """A large table has many of them."""
    pasts = [Past(invoker=f"invoker-{number}") for number in range(7)]
    rows = {key: row for past in pasts for key, row in past.old_rows.items()}
    (finding,) = await audited({**rows, **table_of(*some_pasts())})
    assert (finding.severity, finding.kind) == ("info", "no history")
    assert finding.found.startswith("7 events")


async def test_what_retention_removes_is_counted_in_one_finding() -> None:
    """First the event's row goes, then its history, entry by entry, in no order."""
    after = NOW + RETENTION + timedelta(days=1)
    gone = Past(invoker="zoe").close()
    half_gone = Past(invoker="yan").extend().close()
    rows = removed(gone.rows, [gone.key])
    rows |= removed(half_gone.rows, [half_gone.key, half_gone.entry_key(2)])
    (finding,) = await audited(rows, now=after + timedelta(days=30))
    assert (finding.severity, finding.kind) == ("info", "expired by retention")


async def test_history_of_any_length_is_verified_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A row may be reverted to any entry, and the history goes on behind it."""
    past = Past()
    for minutes in range(61, 181):
        past.extend(timedelta(minutes=minutes))
    assert len(past.entries) == 121
    assert await audited(past.rows) == []
    row = changed(past.rows[past.key], revision={"N": "2"}, head={"S": past.entries[1].hash})
    assert kinds(await audited({**past.rows, past.key: row})) == {"changed outside"}
    cut = removed(past.rows, [past.entry_key(118)])
    assert kinds(await audited(cut)) == {"gap"}


class TestConfirmation:
    async def test_change_between_two_reads_is_no_finding(self) -> None:
        """The event is closed after its row was read, and before its guard is read."""
        for answers in range(1, 9):
            past = Past(invoker="alice")
            reader = Reader(dict(past.rows))
            reader.change_before(answers, past, past.close)
            assert await audit_table(reader.client, NAME, now=LATER) == []

    async def test_deletion_between_two_reads_is_no_finding(self) -> None:
        for answers in range(1, 9):
            past = Past(invoker="alice").extend()
            reader = Reader(dict(past.rows))
            reader.change_before(answers, past, past.delete)
            assert await audit_table(reader.client, NAME, now=LATER) == []

    async def test_event_that_changes_whenever_it_is_read_is_named(self) -> None:
        """Nothing can be said about it, and the audit goes on."""
        past = Past(invoker="alice")
        reader = Reader(removed(past.rows, [past.guard_key]))

        def write() -> None:
            row = reader.rows[past.key]
            write_id = {"S": str(len(reader.requests))}
            reader.rows = {**reader.rows, past.key: {**row, "write_id": write_id}}

        reader.before_answer = write
        assert kinds(await audit_table(reader.client, NAME, now=LATER)) == {"unsettled"}


class TestProgress:
    async def test_audit_can_be_resumed_from_each_progress(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was found before and after add up, wherever the audit stopped."""
        monkeypatch.setattr(scans, "PAGE_ROWS", 2)
        past = Past(invoker="zoe").extend()
        old = Past(invoker="yan")
        rows = table_of(*some_pasts()) | removed(past.rows, [past.entry_key(1), past.guard_key])
        rows |= old.old_rows
        reports: list[ScanProgress] = []

        async def note(progress: ScanProgress) -> None:
            reports.append(progress)

        whole = await audited(rows, on_progress=note, segments=2)
        assert [finding.kind for finding in whole].count("gap") == 1
        assert reports[-1].rows == len(rows)
        assert len(reports) > 5
        severities = Counter(finding.severity for finding in whole)
        for place, report in enumerate(list(reports)):
            before = [finding for one in reports[: place + 1] for finding in one.findings]
            later: list[ScanProgress] = []

            async def note_later(progress: ScanProgress) -> None:
                later.append(progress)  # noqa: B023 - it runs within this round

            after = await audited(rows, resume=report.resume, on_progress=note_later)
            assert sorted(map(str, before + after)) == sorted(map(str, whole))
            assert later[0] == report._replace(findings=())
            assert later[-1].rows == len(rows)
            assert (later[-1].errors, later[-1].warnings) == (
                severities["error"],
                severities["warning"],
            )

    @pytest.mark.slow
    async def test_findings_are_handed_out_and_not_kept(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However many there are, those of one page are alive, and the text to resume is short."""
        monkeypatch.setattr(scans, "PAGE_ROWS", 4)
        rows: Rows = {}
        for number in range(40):
            past = Past(invoker=f"invoker-{number}").extend()
            rows |= removed(past.rows, [past.entry_key(1), past.guard_key])
        old = Past(invoker="old").old_rows
        handed_out: list[str] = []
        alive: list[int] = []
        resumes: list[str] = []
        gc.collect()
        before = _findings_alive()

        async def note(progress: ScanProgress) -> None:
            handed_out.extend(map(str, progress.findings))
            alive.append(_findings_alive() - before)
            resumes.append(progress.resume or "")

        kept = await audited(rows | old, on_progress=note, keep_findings=False)
        assert max(alive) <= 2 * 4
        assert [finding.kind for finding in kept] == ["no history"]
        assert max(map(len, resumes)) < 300
        del kept
        whole = await audited(rows | old)
        assert len(handed_out) == 2 * 40
        assert handed_out == [str(finding) for finding in whole[:-1]]

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"keep_findings": False}, ValueError),
            ({"keep_findings": False, "on_progress": None}, ValueError),
            ({"keep_findings": None}, TypeError),
        ],
    )
    async def test_findings_that_nobody_would_get_are_refused(
        self, options: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error, match="keep_findings"):
            await audited({}, **options)

    async def test_callback_must_be_async(self) -> None:
        with pytest.raises(TypeError, match="on_progress must be an async function"):
            await audited({}, on_progress=print)

    async def test_failure_of_the_callback_is_raised(self) -> None:
        async def fail(_: ScanProgress) -> None:
            raise RuntimeError("disk full")

        with pytest.raises(RuntimeError, match="disk full"):
            await audited({}, on_progress=fail)


async def test_memory_does_not_grow_with_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """However large the table is, only a few rows are asked for at a time."""
    monkeypatch.setattr(scans, "PAGE_ROWS", 50)
    pasts = [Past(invoker=f"invoker-{number}").close() for number in range(100)]
    reader = Reader(table_of(*pasts))
    assert await audit_table(reader.client, NAME, now=LATER) == []
    scanned = [request for operation, request in reader.requests if operation == "Scan"]
    assert {request["Limit"] for request in scanned} == {50}
    batches = [
        len(asked["Keys"])
        for operation, request in reader.requests
        if operation == "BatchGetItem"
        for asked in request["RequestItems"].values()
    ]
    assert max(batches) <= 100


async def test_other_layout_is_audited_by_its_own_names() -> None:
    with pytest.raises(TypeError, match="layout must be a TableLayout"):
        await audited({}, layout="pk")
    assert LAYOUT.event_prefix in next(iter(Past().old_rows))


def _findings_alive() -> int:
    return sum(type(found) is Finding for found in gc.get_objects())


@given(st.lists(st.integers(0, 3000), max_size=80))
def test_histories_that_are_read_together_are_few_and_short(revisions: list[int]) -> None:
    """A group has at most 25 events, and 2,000 entries unless one event alone has more."""
    found = list(groups(revisions, lambda revision: revision))
    assert [revision for group in found for revision in group] == revisions
    assert all(len(group) <= 25 for group in found)
    assert all(sum(group) <= 2000 or len(group) == 1 for group in found)
