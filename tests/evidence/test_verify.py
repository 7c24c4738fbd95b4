from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import Action, Finding, ScanProgress, export_events, verify_anchor
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.change import Change
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass._evidence import added, records, verify

from .table import NAME, NOW, RETENTION, Past, Reader, Rows, removed, some_pasts, table_of

MADE = NOW + timedelta(days=1)
"""When the anchor is made."""
LATER = MADE + timedelta(days=1)


async def anchor_of(rows: Rows, folder: Path) -> Path:
    """Make an anchor, and return the path of its manifest."""
    return await export_events(Reader(rows).client, NAME, folder, formats=[], now=MADE)


async def verified(rows: Rows, manifest: Path, **options: Any) -> list[Finding]:
    return await verify_anchor(Reader(rows).client, NAME, manifest, **{"now": LATER, **options})


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def changed(row: Item, **attributes: Any) -> Item:
    merged = {**row, **attributes}
    return {name: value for name, value in merged.items() if value is not None}


async def test_unchanged_table_agrees_with_its_anchor(tmp_path: Path) -> None:
    rows = table_of(*some_pasts())
    assert await verified(rows, await anchor_of(rows, tmp_path)) == []


async def test_changes_by_stores_agree_with_the_anchor(tmp_path: Path) -> None:
    """Events that were changed, deleted or created since contradict nothing."""
    past, closed, deleted = Past(invoker="x"), Past(invoker="y").extend(), Past(invoker="z")
    manifest = await anchor_of(table_of(past, closed, deleted), tmp_path)
    closed.close()
    deleted.delete()
    new = Past(invoker="new", created_at=MADE)
    assert await verified(table_of(past, closed, deleted, new), manifest) == []


def rewritten(past: Past) -> Rows:
    """Return another past of the same event, whose chain is complete and linked."""
    return Past(id=past.id, justification="Somebody invented this reason later").extend().rows


Damage = Callable[[Past], Rows]

DAMAGES: dict[str, tuple[Damage, set[str]]] = {
    "everything removed": (lambda past: {}, {"removed"}),
    "row removed": (lambda past: removed(past.rows, [past.key]), {"not as recorded"}),
    "history removed": (
        lambda past: removed(past.rows, map(past.entry_key, (1, 2))),
        {"removed", "truncated"},
    ),
    "newest entry removed": (lambda past: removed(past.rows, [past.entry_key(2)]), {"removed"}),
    "first entry removed": (lambda past: removed(past.rows, [past.entry_key(1)]), {"gap"}),
    "history rewritten": (rewritten, {"altered"}),
    "shorter history": (lambda past: Past(id=past.id).rows, {"removed", "reverted"}),
    "row reverted": (
        lambda past: {**past.rows, past.key: changed(past.rows[past.key], revision={"N": "1"})},
        {"reverted"},
    ),
    "revision dropped": (
        lambda past: {**past.rows, past.key: changed(past.rows[past.key], revision=None)},
        {"changed outside"},
    ),
    "hash kept, text altered": (
        lambda past: {
            **past.rows,
            past.entry_key(2): changed(
                past.rows[past.entry_key(2)],
                entry={"S": past.entries[1].entry.replace("carol", "alice")},
            ),
        },
        {"altered"},
    ),
    "row altered": (
        lambda past: {
            **past.rows,
            past.key: changed(past.rows[past.key], profile={"S": "another profile"}),
        },
        {"altered"},
    ),
    "id used again": (
        lambda past: Past(id=past.id, created_at=LATER).rows,
        {"removed", "reverted"},
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_found(damage: Damage, expected: set[str], tmp_path: Path) -> None:
    past, others = Past(invoker="zoe").extend(), table_of(*some_pasts())
    manifest = await anchor_of({**others, **past.rows}, tmp_path)
    findings = await verified({**others, **damage(past)}, manifest)
    assert kinds(findings) >= expected
    assert all(past.id in finding.subject for finding in findings)
    for finding in findings:
        assert finding.kind in str(finding)


async def test_deleted_event_whose_tombstone_is_gone_is_found(tmp_path: Path) -> None:
    past = Past().delete()
    manifest = await anchor_of(past.rows, tmp_path)
    assert kinds(await verified({}, manifest)) == {"removed"}
    again = Past(id=past.id, created_at=LATER)
    assert "removed" in kinds(await verified(again.rows, manifest))


async def test_what_retention_removed_is_explained_in_one_finding(tmp_path: Path) -> None:
    pasts = some_pasts()
    kept = Past(invoker="kept", created_at=NOW + timedelta(hours=20)).close()
    manifest = await anchor_of(table_of(*pasts, kept), tmp_path)
    ttl = pasts[0].entries[0].history_ttl
    assert ttl is not None
    after = NOW + RETENTION + timedelta(days=8, hours=5)
    (finding,) = await verified(kept.rows, manifest, now=after)
    assert (finding.severity, finding.kind) == ("info", "expired by retention")
    assert finding.found.startswith("6 events")
    too_early = after - timedelta(days=1)
    assert kinds(await verified(kept.rows, manifest, now=too_early)) == {"removed"}


async def test_row_that_goes_before_its_history_is_explained(tmp_path: Path) -> None:
    """The event's row goes about eight days before its history."""
    past = Past().close()
    manifest = await anchor_of(past.rows, tmp_path)
    after = NOW + RETENTION + timedelta(hours=2)
    findings = await verified(removed(past.rows, [past.key]), manifest, now=after)
    assert kinds(findings) == {"expired by retention"}


class TestAdded:
    async def test_event_with_an_older_history_is_an_error(self, tmp_path: Path) -> None:
        manifest = await anchor_of(table_of(*some_pasts()), tmp_path)
        for forged in (Past(invoker="forged"), Past(invoker="forged").delete()):
            findings = await verified(forged.rows, manifest)
            (finding,) = [finding for finding in findings if finding.kind == "added"]
            assert finding.severity == "error"
            assert forged.id in finding.subject

    async def test_event_without_a_history_is_a_warning(self, tmp_path: Path) -> None:
        """Another program may have written it, and it may be true."""
        manifest = await anchor_of({}, tmp_path)
        old = Past()
        (finding,) = await verified(old.old_rows, manifest)
        assert (finding.severity, finding.kind) == ("warning", "added")
        assert old.id in finding.subject

    async def test_import_that_was_recorded_later_is_no_finding(self, tmp_path: Path) -> None:
        """Its history says when it was imported."""
        manifest = await anchor_of({}, tmp_path)
        imported = Past(status="expired", recorded_at=LATER)
        assert await verified(imported.rows, manifest) == []

    async def test_forged_creation_after_the_lapse_is_an_error(self, tmp_path: Path) -> None:
        """A store refuses to create a lapsed event, so another program wrote this one."""
        manifest = await anchor_of({}, tmp_path)
        forged = Past(is_old=True)
        forged.record(Change(Action.CREATED, None, forged.event, LATER, "alice"))
        findings = await verified(forged.rows, manifest)
        (finding,) = [finding for finding in findings if finding.kind == "added"]
        assert (finding.severity, forged.id in finding.subject) == ("error", True)

    async def test_clocks_may_differ(self, tmp_path: Path) -> None:
        """A host whose clock is slow creates an event right after the anchor was made."""
        manifest = await anchor_of({}, tmp_path)
        slow = Past(created_at=MADE - timedelta(minutes=4))
        assert await verified(slow.rows, manifest) == []
        false = Past(created_at=MADE - timedelta(minutes=6))
        assert kinds(await verified(false.rows, manifest)) == {"added"}


class TestEventsWithoutHistory:
    async def test_unchanged_event_is_no_finding(self, tmp_path: Path) -> None:
        past = Past()
        manifest = await anchor_of(past.old_rows, tmp_path)
        assert await verified(past.old_rows, manifest) == []

    async def test_event_that_was_adopted_since_is_no_finding(self, tmp_path: Path) -> None:
        past = Past(is_old=True)
        manifest = await anchor_of(past.old_rows, tmp_path)
        adopted = past.close()
        assert [entry.action for entry in adopted.entries] == ["adopted", "closed"]
        assert await verified(adopted.rows, manifest) == []

    @pytest.mark.parametrize("is_adopted", [False, True])
    async def test_event_that_was_altered_is_found(self, is_adopted: bool, tmp_path: Path) -> None:
        past = Past(is_old=True)
        manifest = await anchor_of(past.old_rows, tmp_path)
        other = Past(id=past.id, is_old=True, justification="Somebody invented this reason later")
        rows = other.close().rows if is_adopted else other.old_rows
        assert kinds(await verified(rows, manifest)) == {"changed outside"}

    async def test_removed_event_is_found(self, tmp_path: Path) -> None:
        """Its line has the time from which TTL may delete its row, or none."""
        past = Past()
        manifest = await anchor_of(past.old_rows, tmp_path / "kept for ever")
        assert kinds(await verified({}, manifest)) == {"removed"}
        ttl = {"N": str(int(LATER.timestamp()))}
        rows = {**past.old_rows, past.key: {**past.old_rows[past.key], "ttl": ttl}}
        manifest = await anchor_of(rows, tmp_path / "kept for a day")
        assert kinds(await verified({}, manifest)) == {"expired by retention"}
        assert kinds(await verified({}, manifest, now=MADE)) == {"removed"}


class TestFiles:
    async def test_altered_anchor_is_found_and_not_relied_on(self, tmp_path: Path) -> None:
        past = Past()
        manifest = await anchor_of(past.rows, tmp_path)
        (tmp_path / "anchor.jsonl").write_bytes(b"")
        (finding,) = await verified({}, manifest)
        assert (finding.severity, finding.kind) == ("error", "altered")
        assert "anchor.jsonl" in finding.subject

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b"\xff",
            b'{"format": "aiobreakglass export 2", "started_at": "2024-03-01T12:00:00Z", '
            b'"anchor": {"sha256": null}}',
            b'{"format": "aiobreakglass export 1", "started_at": "2024-03-01T12:00:00Z", '
            b'"anchor": {"sha256": "x"}}',
            b'{"format": "aiobreakglass export 1", "started_at": "2024-03-01T12:00:00Z", '
            b'"anchor": {"sha256": null}}',
            b'{"format": "aiobreakglass export 1", "started_at": "2024-03-01", "anchor": {}}',
            b"[" * 100_000,
        ],
    )
    async def test_other_file_is_no_manifest(self, content: bytes, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="manifest must be"):
            await verified({}, path)

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"{}",
            b"[]",
            b'{"id": 7, "revision": 1, "head": null, "history_ttl": null}',
            b'{"id": "a", "revision": 1, "head": null, "history_ttl": null}',
            b'{"id": "a", "revision": true, "head": null, "history_ttl": null}',
            b'{"id": "a", "revision": null, "head": null, "history_ttl": -1}',
        ],
    )
    async def test_anchor_with_other_lines_is_refused(self, line: bytes, tmp_path: Path) -> None:
        manifest = await anchor_of({}, tmp_path)
        content = line + b"\n"
        (tmp_path / "anchor.jsonl").write_bytes(content)
        values = json.loads(manifest.read_bytes())
        values["anchor"]["sha256"] = sha256(content).hexdigest()
        manifest.write_text(json.dumps(values))
        with pytest.raises(ValueError, match="not a line of an anchor"):
            await verified({}, manifest)

    async def test_missing_file_is_an_error_of_the_system(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            await verified({}, tmp_path / "manifest.json")


async def test_progress_has_each_finding_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 3)
    past, forged, others = Past(invoker="zoe"), Past(invoker="forged"), table_of(*some_pasts())
    manifest = await anchor_of({**others, **past.rows}, tmp_path)
    reports: list[ScanProgress] = []

    async def note(progress: ScanProgress) -> None:
        reports.append(progress)

    rows = {**others, **forged.rows}
    findings = await verified(rows, manifest, on_progress=note, segments=2)
    assert kinds(findings) == {"removed", "added"}
    assert [finding for report in reports for finding in report.findings] == findings
    assert reports[-1].rows == 7 + len(rows)
    assert (reports[-1].errors, reports[-1].warnings) == (2, 0)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "PAGE_ROWS", 3)
    monkeypatch.setattr(records, "_TOGETHER", 2)
    monkeypatch.setattr(verify, "_LINES", 3)


@pytest.mark.usefixtures("small_steps")
async def test_verification_can_be_resumed_from_each_progress(tmp_path: Path) -> None:
    """What was found before and after add up, and nothing is read from the table twice."""
    past, forged, others = Past(invoker="zoe"), Past(invoker="forged"), table_of(*some_pasts())
    gone = Past(invoker="gone").close()
    manifest = await anchor_of({**others, **past.rows, **gone.rows}, tmp_path)
    rows = {**others, **forged.rows, gone.key: gone.rows[gone.key]}
    now = LATER + RETENTION + timedelta(days=30)
    reports: list[ScanProgress] = []
    requests: list[int] = []
    reader = Reader(rows)

    async def note(progress: ScanProgress) -> None:
        reports.append(progress)
        requests.append(len(reader.requests))

    options: dict[str, Any] = {"now": now, "on_progress": note}
    whole = await verify_anchor(reader.client, NAME, manifest, **options)
    assert kinds(whole) == {"added", "expired by retention"}
    assert "2 events" in str(whole[-1])
    earlier = list(zip(reports, requests, strict=True))
    assert len(earlier) > 8
    for place, (report, asked) in enumerate(earlier):
        reports.clear()
        later = Reader(rows)
        options["resume"] = report.resume
        after = await verify_anchor(later.client, NAME, manifest, **options)
        before = [found for one, _ in earlier[: place + 1] for found in one.findings]
        assert before + after == whole
        assert reports[0] == report._replace(findings=())
        assert reports[-1]._replace(findings=()) == earlier[-1][0]._replace(findings=())
        assert asked + len(later.requests) == len(reader.requests)


async def test_findings_are_handed_out_and_not_kept(tmp_path: Path) -> None:
    past = Past(invoker="zoe")
    manifest = await anchor_of(past.rows, tmp_path)
    found: list[Finding] = []

    async def note(progress: ScanProgress) -> None:
        found.extend(progress.findings)

    options: dict[str, Any] = {"keep_findings": False, "on_progress": note}
    assert await verified({}, manifest, **options) == []
    assert kinds(found) == {"removed"}
    found.clear()
    (tmp_path / "anchor.jsonl").write_bytes(b"")
    assert await verified({}, manifest, **options) == []
    assert kinds(found) == {"altered"}
    with pytest.raises(ValueError, match="keep_findings"):
        await verified({}, manifest, keep_findings=False)


async def test_resume_of_something_else_is_refused(tmp_path: Path) -> None:
    """It would leave out what nobody has compared."""
    reports: list[ScanProgress] = []

    async def note(progress: ScanProgress) -> None:
        reports.append(progress)

    rows = Past().rows
    manifest = await anchor_of(rows, tmp_path / "one")
    other = await anchor_of({**rows, **Past(invoker="bob").rows}, tmp_path / "other")
    await verified(rows, manifest, on_progress=note)
    resume = reports[0].resume
    with pytest.raises(ValueError, match="resume is of another anchor"):
        await verified(rows, other, resume=resume)
    with pytest.raises(ValueError, match="resume is of another table"):
        await verify_anchor(Reader(rows).client, "another", manifest, resume=resume)
    for wrong in ("", "[]", "{}", '{"anchor": 1, "scan": 2}', "[" * 100_000):
        with pytest.raises(ValueError, match="resume is not a text that a progress had"):
            await verified(rows, manifest, resume=wrong)
    with pytest.raises(TypeError, match="resume must be a str"):
        await verified(rows, manifest, resume=1)


@given(st.lists(st.integers(0, 40).map("{:016x}".format) | st.sampled_from(["", "x"])))
def test_ids_are_found_however_many_runs_there_are(ids: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(added, "_RUN", 3)
        known = added.Ids()
        known.add(ids)
        known.sort()
    assert [event_id for event_id in ids if event_id not in known] == []
    assert f"{41:016x}" not in known
    assert "y" not in known


async def test_change_between_two_reads_is_no_finding(tmp_path: Path) -> None:
    for answers in range(1, 8):
        past = Past(invoker="alice")
        manifest = await anchor_of(past.rows, tmp_path / str(answers))
        reader = Reader(dict(past.rows))
        reader.change_before(answers, past, past.delete)
        assert await verify_anchor(reader.client, NAME, manifest, now=LATER) == []
