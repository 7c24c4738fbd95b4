"""`verify_history` finds whatever in a history no store wrote, and never fails on it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiobreakglass import (
    Action,
    BreakGlassEvent,
    Finding,
    HistoryEntry,
    InMemoryStore,
    verify_history,
)
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import (
    canonical_json,
    event_values,
    hash_of,
    history_ttl,
    read_entry,
    recorded,
    tip_of,
)
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass.testing import FakeClock, make_event

Move = tuple[Action, dict[str, Any]]
"""An action, and the fields of the event that it changes."""

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ID = "0123456789abcdef"
START = FakeClock.START
TTL = history_ttl(START, timedelta(days=365))


def life() -> tuple[list[HistoryEntry], BreakGlassEvent]:
    """Return the history of an event that was created, amended, extended and closed, and it."""
    clock = FakeClock()
    store = InMemoryStore(clock=clock)

    async def live() -> tuple[list[HistoryEntry], BreakGlassEvent]:
        event = await store.create(make_event(id=ID, created_at=clock(), labels={"team": "db"}))
        for changes in ({"request_id": "c0ffee"}, {"expires_at": event.expires_at + HOUR}):
            clock.advance(MINUTE)
            event = await store.update(event.model_copy(update=changes), by="carol")
        clock.advance(MINUTE)
        event = await store.close(ID, closed_by="bob", closed_reason="Over")
        return await store.history(ID), event

    entries, event = asyncio.run(live())
    return [replace(entry, history_ttl=TTL) for entry in entries], event


ENTRIES, CLOSED = life()
OPEN = ENTRIES[0].event
assert OPEN is not None
DELETED = recorded(
    ID, Change(Action.DELETED, CLOSED, None, START + HOUR), tip_of(ENTRIES[-1]), lambda _: TTL
).entries
ELSEWHERE = make_event(id="f" * 16, created_at=START)


def verify(
    entries: Sequence[HistoryEntry], event: BreakGlassEvent | None, at: datetime = START + HOUR
) -> list[tuple[str, str, str]]:
    """Return what each finding says: severity, kind and subject."""
    return [
        (finding.severity, finding.kind, finding.subject.removeprefix(f"event {ID} "))
        for finding in verify_history(entries, event, at=at)
    ]


def event_with(event: BreakGlassEvent, **changes: Any) -> BreakGlassEvent:
    return BreakGlassEvent.model_validate({**vars(event), **changes})


def retold(entry: HistoryEntry, **values: Any) -> HistoryEntry:
    """Return an entry with other values, as a forger who knows SHA-256 would write it."""
    text = canonical_json({**json.loads(entry.entry), **values})
    return read_entry(text, hash_of(text), entry.history_ttl)


def relinked(entries: Sequence[HistoryEntry]) -> list[HistoryEntry]:
    """Return entries with new revisions and links, as a forger would write them."""
    chain: list[HistoryEntry] = []
    for revision, entry in enumerate(entries, 1):
        previous = chain[-1].hash if chain else None
        chain.append(retold(entry, revision=revision, previous=previous))
    return chain


def adopted(event: BreakGlassEvent, at: datetime = START + 10 * MINUTE) -> HistoryEntry:
    return retold(
        ENTRIES[0],
        action="adopted",
        by=None,
        at=at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        event=event_values(event),
    )


class TestWhole:
    @pytest.mark.parametrize("length", range(1, 5))
    def test_history_of_a_store_has_no_findings(self, length: int) -> None:
        """A history that a store wrote is whole after each change."""
        assert verify(ENTRIES[:length], ENTRIES[length - 1].event) == []

    def test_history_of_deleted_event_has_no_findings(self) -> None:
        """A deleted event has a history and is not there."""
        assert verify([*ENTRIES, *DELETED], None) == []

    def test_deletion_of_a_row_that_is_no_event_has_no_findings(self) -> None:
        """Such a row has no history before it is deleted."""
        change = Change(Action.DELETED, None, None, START)
        assert verify(recorded(ID, change, None, lambda _: TTL).entries, None) == []

    def test_nothing_is_known_of_nothing(self) -> None:
        """Without entries and event there is nothing to judge."""
        assert verify([], None) == []

    def test_entries_can_come_from_any_iterable(self) -> None:
        """Entries can come one by one, such as from a file."""
        assert verify_history(iter(ENTRIES), CLOSED, at=START) == []

    def test_names_of_a_later_release_are_no_finding(self) -> None:
        """A later release may record more about an entry and its event."""
        later = {**json.loads(ENTRIES[0].entry)["event"], "zone": "eu"}
        assert verify([retold(ENTRIES[0], event=later, zone="eu")], OPEN) == []

    def test_adopted_event_that_did_not_change_is_no_finding(self) -> None:
        """An adoption that finds the event as it was recorded needs no explanation."""
        chain = relinked([*ENTRIES, adopted(CLOSED)])
        assert verify(chain, CLOSED) == []


ERRORS: dict[str, tuple[list[HistoryEntry], BreakGlassEvent | None, list[tuple[str, str]]]] = {
    "gap": ([ENTRIES[0], *ENTRIES[2:]], CLOSED, [("gap", "entry 2")]),
    "long gap": ([ENTRIES[0], ENTRIES[3]], CLOSED, [("gap", "entry 2 to 3")]),
    "first removed": (ENTRIES[1:], CLOSED, [("gap", "entry 1")]),
    "swapped": (
        [ENTRIES[1], ENTRIES[0], *ENTRIES[2:]],
        CLOSED,
        [("out of order", "entry 1")],
    ),
    "repeated": (
        [*ENTRIES[:2], *ENTRIES[1:]],
        CLOSED,
        [("revision used twice", "entry 2")],
    ),
    "another entry with the same revision": (
        [*ENTRIES[:2], retold(ENTRIES[1], by="mallory"), *ENTRIES[2:]],
        CLOSED,
        [("revision used twice", "entry 2")],
    ),
    "text altered": (
        [
            ENTRIES[0],
            replace(retold(ENTRIES[1], by="mallory"), hash=ENTRIES[1].hash),
            *ENTRIES[2:],
        ],
        CLOSED,
        [("wrong hash", "entry 2")],
    ),
    "hash altered": (
        [*ENTRIES[:3], replace(ENTRIES[3], hash="0" * 64)],
        CLOSED,
        [("wrong hash", "entry 4")],
    ),
    "text and hash altered": (
        [ENTRIES[0], retold(ENTRIES[1], by="mallory"), *ENTRIES[2:]],
        CLOSED,
        [("broken link", "entry 3")],
    ),
    "field altered": (
        [ENTRIES[0], replace(ENTRIES[1], by="mallory"), *ENTRIES[2:]],
        CLOSED,
        [("not as its text", "entry 2")],
    ),
    "first entry with a link": (
        [retold(ENTRIES[0], previous="0" * 64)],
        OPEN,
        [("broken link", "entry 1")],
    ),
    "entry without a link": (
        [ENTRIES[0], retold(ENTRIES[1], previous=None)],
        ENTRIES[1].event,
        [("broken link", "entry 2")],
    ),
    "unreadable": (
        [ENTRIES[0], replace(ENTRIES[1], entry="{}"), *ENTRIES[2:]],
        CLOSED,
        [("unreadable", "entry 2")],
    ),
    "mixed": (
        [*ENTRIES, retold(ENTRIES[0], event_id="f" * 16, event=event_values(ELSEWHERE))],
        CLOSED,
        [("another event", "entry 1")],
    ),
    "about another event": (
        [*ENTRIES, retold(ENTRIES[0], event=event_values(ELSEWHERE))],
        CLOSED,
        [("another event", "entry 1")],
    ),
    "created when it had lapsed": (
        [retold(ENTRIES[0], at=encode_time(OPEN.expires_at))],
        OPEN,
        [("wrong time", "entry 1")],
    ),
    "time stands still": (
        relinked([ENTRIES[0], retold(ENTRIES[1], at=json.loads(ENTRIES[0].entry)["at"])]),
        ENTRIES[1].event,
        [("wrong time", "entry 2")],
    ),
    "created twice": (
        relinked([ENTRIES[0], retold(ENTRIES[1], action="created")]),
        ENTRIES[1].event,
        [("wrong action", "entry 2"), ("altered", "entry 2")],
    ),
    "begins with a close": (
        relinked(ENTRIES[3:]),
        CLOSED,
        [("wrong action", "entry 1")],
    ),
    "deleted but there": (
        [*ENTRIES, *DELETED],
        CLOSED,
        [("not as recorded", "")],
    ),
    "gone": (ENTRIES, None, [("not as recorded", "")]),
    "an entry after the deletion": (
        relinked([*ENTRIES, *DELETED, adopted(CLOSED, START + 2 * HOUR)]),
        CLOSED,
        [("after deletion", "entry 6")],
    ),
    "a deletion with an event": (
        [ENTRIES[0], retold(ENTRIES[1], action="deleted")],
        ENTRIES[1].event,
        [("wrong action", "entry 2"), ("altered", "entry 2")],
    ),
    "a close that leaves no event": (
        relinked([*ENTRIES[:3], retold(ENTRIES[3], event=None)]),
        None,
        [("wrong action", "entry 4")],
    ),
    "a close that rewrites the evidence": (
        relinked(
            [
                *ENTRIES[:3],
                retold(ENTRIES[3], event=event_values(event_with(CLOSED, invoker="mallory"))),
            ]
        ),
        event_with(CLOSED, invoker="mallory"),
        [("altered", "entry 4")],
    ),
    "an update that extends": (
        relinked([*ENTRIES[:2], retold(ENTRIES[2], action="updated")]),
        ENTRIES[2].event,
        [("altered", "entry 3")],
    ),
    "an extension that is not counted": (
        relinked(
            [
                *ENTRIES[:2],
                retold(
                    ENTRIES[2],
                    event={
                        name: value
                        for name, value in json.loads(ENTRIES[2].entry)["event"].items()
                        if name != "extensions"
                    },
                ),
            ]
        ),
        None,
        [("altered", "entry 3"), ("not as recorded", "")],
    ),
}


class TestErrors:
    @pytest.mark.parametrize("name", ERRORS)
    def test_forged_history_is_found(self, name: str) -> None:
        """Each forgery gets errors that name the entry and the rule, and nothing else."""
        entries, event, expected = ERRORS[name]
        found = [
            (severity, kind, subject.removeprefix(f"event {ID}"))
            for severity, kind, subject in verify(entries, event)
        ]
        assert found == [("error", kind, subject) for kind, subject in expected]

    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(json.loads(ENTRIES[0].entry), sort_keys=True),
            ENTRIES[0].entry.replace('"by":"alice"', '"by":"\\u0061lice"'),
            ENTRIES[0].entry.replace('"by":"alice"', '"by":"bob","by":"alice"'),
            ENTRIES[0].entry.replace("3600000000000", "3600000000000.0"),
            ENTRIES[0].entry.replace("3600000000000", "3600000000999"),
            ENTRIES[0].entry.replace('"event":{', '"event":{"closed_by":null,'),
            ENTRIES[0].entry.replace("04:05:06.000000Z", "04:05:06Z"),
            ENTRIES[0].entry + "\n",
        ],
    )
    def test_text_that_is_not_canonical_is_found(self, text: str) -> None:
        """One meaning has one text, even if another text has the right hash."""
        entry = read_entry(text, hash_of(text), TTL)
        assert verify([entry], OPEN) == [("error", "not canonical", "entry 1")]

    def test_findings_of_an_event_that_is_given_go_by_its_id(self) -> None:
        """If an event is given, all entries of another event are foreign."""
        findings = verify_history(ENTRIES[:2], ELSEWHERE, at=START)
        assert [(finding.kind, finding.severity) for finding in findings] == [
            ("another event", "error"),
            ("another event", "error"),
            ("no history", "warning"),
        ]

    def test_findings_repeat_no_text_of_a_forger(self) -> None:
        """Findings are printed on terminals, so they show only hashes and ids."""
        evil = "\x1b[2J"
        forged = [
            replace(ENTRIES[0], hash=evil),
            retold(ENTRIES[1], previous=evil),
            retold(ENTRIES[2], event_id=evil, by=evil, note=evil),
        ]
        findings = verify_history(forged, CLOSED, at=START)
        assert len(findings) > 3
        assert evil not in "".join(map(str, findings))


LAPSED = START + HOUR
CLOSE: Move = (
    Action.CLOSED,
    {"status": "closed", "closed_by": "bob", "closed_reason": "Over", "ended_at": START + MINUTE},
)
EXPIRE: Move = (Action.EXPIRED, {"status": "expired", "ended_at": LAPSED})
REVIEW: Move = (
    Action.REVIEWED,
    {
        "reviewed_by": "carol",
        "reviewed_at": LAPSED,
        "review_outcome": "justified",
        "review_comment": "Well done",
    },
)
FOLLOW_UP: Move = (Action.REVIEWED, {**REVIEW[1], "review_outcome": "needs_follow_up"})
HOLD: Move = (
    Action.HELD,
    {"held_by": "carol", "held_at": START + MINUTE, "held_reason": "Lawsuit"},
)
RELEASE: Move = (Action.RELEASED, dict.fromkeys(HOLD[1]))


def chain_of(*moves: Move, at: datetime = LAPSED) -> tuple[list[HistoryEntry], BreakGlassEvent]:
    """Return a history of these moves, hashed and linked, and its event.

    The moves happen from an instant on, whether a store can make them or not.
    """
    entries, event = ENTRIES[:1], OPEN
    assert event is not None
    for number, (action, changes) in enumerate(moves):
        now = at + number * MINUTE
        before, event = event, event_with(event, **{"updated_at": now, **changes})
        change = Change(action, before, event, now)
        entries = [*entries, *recorded(ID, change, tip_of(entries[-1]), lambda _: TTL).entries]
    return entries, event


POSSIBLE: dict[str, list[Move]] = {
    "closed": [CLOSE],
    "expired as it lapsed": [EXPIRE],
    "reviewed after a review that was not final": [CLOSE, FOLLOW_UP, FOLLOW_UP, REVIEW],
    "held again after a release": [CLOSE, HOLD, RELEASE, HOLD],
    "released after the end": [HOLD, CLOSE, RELEASE],
    "reviewed while it is held": [HOLD, EXPIRE, REVIEW],
}
IMPOSSIBLE: dict[str, tuple[list[Move], Move, str]] = {
    "closed after it was closed": ([CLOSE], (Action.CLOSED, {}), "status"),
    "expired after it expired": ([EXPIRE], (Action.EXPIRED, {}), "status"),
    "closed after it expired": ([EXPIRE], CLOSE, "status"),
    "expired after it was closed": (
        [CLOSE],
        (Action.EXPIRED, {**EXPIRE[1], "closed_by": None, "closed_reason": None}),
        "status",
    ),
    "updated after it was closed": ([CLOSE], (Action.UPDATED, {}), "status"),
    "extended after it expired": ([EXPIRE], (Action.EXTENDED, {}), "status"),
    "reviewed after the final review": ([CLOSE, REVIEW], (Action.REVIEWED, {}), "review_outcome"),
    "held while it is held": ([HOLD], (Action.HELD, {}), "held_by"),
    "held by another while it is held": ([HOLD], (Action.HELD, {"held_by": "dan"}), "held_by"),
    "released without a hold": ([CLOSE], (Action.RELEASED, {}), "held_by"),
    "released after a release": ([HOLD, RELEASE], (Action.RELEASED, {}), "held_by"),
    "expired before it lapsed": (
        [],
        (Action.EXPIRED, {**EXPIRE[1], "updated_at": LAPSED - MICROSECOND}),
        "updated_at",
    ),
    "expired with another end": (
        [],
        (Action.EXPIRED, {"status": "expired", "ended_at": LAPSED - MICROSECOND}),
        "ended_at",
    ),
}


class TestMoves:
    """Chains with right hashes and links, as somebody writes them who knows the format."""

    @pytest.mark.parametrize("name", POSSIBLE)
    def test_moves_that_a_store_can_make_have_no_findings(self, name: str) -> None:
        """A store, or that of a later release, can write these histories."""
        assert verify(*chain_of(*POSSIBLE[name])) == []

    @pytest.mark.parametrize("name", IMPOSSIBLE)
    def test_move_that_no_store_can_make_is_found(self, name: str) -> None:
        """The last entry is altered evidence, and the finding names the field that shows it."""
        moves, last, field = IMPOSSIBLE[name]
        assert verify(*chain_of(*moves)) == []
        entries, event = chain_of(*moves, last)
        subject = f"event {ID} entry {len(entries)}"
        findings = verify_history(entries, event, at=LAPSED)
        (altered,) = [finding for finding in findings if finding.kind == "altered"]
        assert (altered.severity, altered.subject) == ("error", subject)
        assert field in altered.found.split(" of ")[1].replace(",", "").split()
        assert {finding.subject for finding in findings} == {subject}


class TestStoredEvent:
    @pytest.mark.parametrize(
        ("entries", "changes"),
        [
            (ENTRIES[:1], {"request_id": "another"}),
            (ENTRIES[:1], {"expires_at": START + 2 * HOUR}),
            (
                ENTRIES[:1],
                {"status": "closed", "closed_by": "bob", "closed_reason": "By hand"},
            ),
            (ENTRIES[:1], {"status": "expired", "updated_at": START + HOUR}),
            (ENTRIES, {"held_by": "carol", "held_at": START, "held_reason": "Lawsuit"}),
            (
                ENTRIES,
                {
                    "reviewed_by": "carol",
                    "reviewed_at": START,
                    "review_outcome": "justified",
                    "review_comment": "Well done",
                },
            ),
        ],
    )
    def test_legal_change_is_a_warning(
        self, entries: list[HistoryEntry], changes: dict[str, Any]
    ) -> None:
        """A change that nobody recorded is a warning, before and after it is adopted."""
        before = entries[-1].event
        assert before is not None
        after = event_with(before, **changes)
        assert verify(entries, after) == [
            ("warning", "changed outside", f"event {ID}"),
            ("warning", "not as recorded", f"event {ID}"),
        ]
        chain = relinked([*entries, adopted(after)])
        assert verify(chain, after) == [
            ("warning", "changed outside", f"entry {len(entries) + 1}")
        ]

    @pytest.mark.parametrize(
        ("entries", "changes"),
        [
            (ENTRIES[:1], {"invoker": "mallory"}),
            (ENTRIES[:1], {"profile": "staging"}),
            (ENTRIES[:1], {"reason_code": "other"}),
            (ENTRIES[:1], {"justification": "Something else altogether has happened"}),
            (ENTRIES[:1], {"duration": 2 * HOUR}),
            (ENTRIES[:1], {"created_at": START - MICROSECOND}),
            (ENTRIES[:1], {"labels": {}}),
            (ENTRIES[:2], {"updated_at": START}),
            (ENTRIES[:3], {"extensions": 0}),
            (
                ENTRIES,
                {"status": "active", "closed_by": None, "closed_reason": None, "ended_at": None},
            ),
            (ENTRIES, {"status": "expired", "closed_by": None, "closed_reason": None}),
            (ENTRIES, {"closed_by": "mallory"}),
            (ENTRIES, {"closed_reason": "Another reason"}),
            (ENTRIES, {"ended_at": START + MINUTE}),
            (
                ENTRIES[:1],
                {"status": "expired", "updated_at": START + HOUR, "ended_at": START + MICROSECOND},
            ),
            (ENTRIES, {"expires_at": START + 3 * HOUR}),
            (ENTRIES, {"request_id": None}),
        ],
    )
    def test_alteration_is_an_error(
        self, entries: list[HistoryEntry], changes: dict[str, Any]
    ) -> None:
        """Evidence, an ended event and the past never change, whoever changes the row."""
        before = entries[-1].event
        assert before is not None
        after = event_with(before, **changes)
        assert verify(entries, after) == [
            ("error", "altered", f"event {ID}"),
            ("warning", "not as recorded", f"event {ID}"),
        ]
        chain = relinked([*entries, adopted(after)])
        assert verify(chain, after) == [("error", "altered", f"entry {len(entries) + 1}")]

    @pytest.mark.parametrize(
        ("outcome", "changes", "kind"),
        [
            ("needs_follow_up", {"review_outcome": "justified"}, "changed outside"),
            ("justified", {"review_outcome": "unjustified"}, "altered"),
            ("justified", {"review_comment": "Something else"}, "altered"),
            (
                "needs_follow_up",
                dict.fromkeys(("reviewed_by", "reviewed_at", "review_outcome", "review_comment")),
                "altered",
            ),
        ],
    )
    def test_final_review_never_changes(
        self, outcome: str, changes: dict[str, Any], kind: str
    ) -> None:
        """A review can follow one that was not final, and none goes away."""
        review = {
            "reviewed_by": "carol",
            "reviewed_at": START + HOUR,
            "review_outcome": outcome,
            "review_comment": "Well done",
            "updated_at": START + HOUR,
        }
        reviewed = event_with(CLOSED, **review)
        entry = retold(
            ENTRIES[3],
            action="reviewed",
            at="2001-02-03T05:05:06.000000Z",
            event=event_values(reviewed),
        )
        chain = relinked([*ENTRIES, entry])
        assert verify(chain, reviewed) == []
        found = verify(chain, event_with(reviewed, **changes))
        assert [finding[1] for finding in found] == [kind, "not as recorded"]

    def test_event_without_history_is_a_warning(self) -> None:
        """An event from before histories has none until it is adopted."""
        assert verify([], OPEN) == [("warning", "no history", f"event {ID}")]

    def test_removed_last_entry_shows_in_the_event(self) -> None:
        """If the last entry was removed, the event is not as the one before says."""
        assert [kind for _, kind, _ in verify(ENTRIES[:3], CLOSED)] == [
            "changed outside",
            "not as recorded",
        ]


class TestRetention:
    OVER = START + timedelta(days=374)

    @pytest.mark.parametrize("kept", [[1, 2, 3], [0, 3], [3]])
    def test_entries_that_ttl_removed_are_explained(self, kept: list[int]) -> None:
        """After `history_ttl`, TTL removes entries within days, in any order."""
        entries = [ENTRIES[place] for place in kept]
        assert {finding[:2] for finding in verify(entries, None, self.OVER)} == {
            ("info", "expired by retention")
        }
        early = verify(entries, None, self.OVER - 2 * DAY)
        assert ("error", "gap") in {finding[:2] for finding in early}

    def test_retention_explains_no_gap_beside_the_event(self) -> None:
        """The row of an event goes days before its history."""
        assert verify([ENTRIES[0], *ENTRIES[2:]], CLOSED, self.OVER) == [
            ("error", "gap", "entry 2")
        ]

    @pytest.mark.parametrize(
        "ttl", [None, 1, history_ttl(START - DAY, timedelta(0))], ids=["never", "1970", "early"]
    )
    def test_time_that_no_store_sets_explains_nothing(self, ttl: int | None) -> None:
        """No hash covers `history_ttl`, so only a possible one counts."""
        entries = [replace(entry, history_ttl=ttl) for entry in ENTRIES[1:]]
        assert verify(entries, CLOSED, self.OVER) == [("error", "gap", "entry 1")]
        assert verify(entries, None, self.OVER)[1][:2] == ("error", "not as recorded")

    def test_retention_ends_for_all_entries_or_none(self) -> None:
        """An entry that is kept for ever shows that the others were, too."""
        entries = [*ENTRIES[1:3], replace(ENTRIES[3], history_ttl=None)]
        assert verify(entries, CLOSED, self.OVER) == [("error", "gap", "entry 1")]

    def test_event_that_ttl_removed_is_explained(self) -> None:
        """The event's row goes at `expires_at` plus retention, days before its history."""
        over = CLOSED.expires_at + timedelta(days=365)
        assert verify(ENTRIES, None, over) == [("info", "expired by retention", f"event {ID}")]
        assert verify(ENTRIES, None, over - MICROSECOND * 10**6) == [
            ("error", "not as recorded", f"event {ID}")
        ]

    def test_held_event_never_expires(self) -> None:
        """While an event is held, nothing of it may go."""
        held = event_with(
            CLOSED,
            held_by="carol",
            held_at=START,
            held_reason="Lawsuit",
            updated_at=START + HOUR,
        )
        entry = retold(
            ENTRIES[3],
            action="held",
            at="2001-02-03T05:05:06.000000Z",
            event=event_values(held),
        )
        chain = relinked([*ENTRIES, entry])
        assert verify(chain, held, self.OVER) == []
        assert verify(chain[1:], held, self.OVER) == [("error", "gap", "entry 1")]
        assert verify(chain, None, self.OVER) == [("error", "not as recorded", f"event {ID}")]


class TestFinding:
    FINDING = Finding("error", "gap", "event 7 entry 2", "no entry", "an entry", "look for it")

    def test_text_says_everything(self) -> None:
        """A finding prints as one line."""
        assert str(self.FINDING) == (
            "error: event 7 entry 2: gap: found no entry; expected an entry; look for it"
        )

    def test_finding_is_a_value(self) -> None:
        """Findings can be compared, collected in sets, and not changed."""
        assert {self.FINDING, replace(self.FINDING)} == {self.FINDING}
        with pytest.raises(AttributeError):
            self.FINDING.kind = "fine"  # type: ignore[misc]


class TestArguments:
    @pytest.mark.parametrize(
        ("entries", "event", "error"),
        [
            ([ENTRIES[0].entry], None, TypeError),
            ([None], None, TypeError),
            (7, None, TypeError),
            ([], "event", TypeError),
            ([], CLOSED.model_copy(update={"expires_at": None}), ValueError),
        ],
    )
    def test_wrong_arguments_are_refused(
        self, entries: Any, event: Any, error: type[Exception]
    ) -> None:
        """What is no history or no event is a mistake in the program."""
        with pytest.raises(error):
            verify_history(entries, event)

    def test_naive_instant_is_refused(self) -> None:
        """Retention cannot be judged by a time without a zone."""
        with pytest.raises(ValueError, match="timezone-aware"):
            verify_history(ENTRIES, CLOSED, at=datetime(2001, 1, 1))  # noqa: DTZ001


WHOLE = [*ENTRIES, *DELETED]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values),
    max_leaves=5,
)
anything: st.SearchStrategy[Any] = st.one_of(
    json_values,
    st.binary(max_size=5),
    st.datetimes(),
    st.just(10**5000),
    st.just("\ud800"),
    st.sampled_from([OPEN, CLOSED, ELSEWHERE]),
)


@st.composite
def forged_texts(draw: st.DrawFn) -> str:
    """Draw the text of an entry in which something was put, cut or changed."""
    values = json.loads(draw(st.sampled_from(WHOLE)).entry)
    target = draw(st.sampled_from([values, values["event"] or values]))
    name = draw(st.sampled_from([*target, "zone"]))
    if draw(st.booleans()):
        target.pop(name, None)
    else:
        target[name] = draw(json_values)
    text = json.dumps(values, ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(max_size=3)) + text[place + draw(st.integers(0, 3)) :]
    return text


@st.composite
def forged_entries(draw: st.DrawFn) -> HistoryEntry:
    """Draw an entry with another text or another value of any field."""
    entry = draw(st.sampled_from(WHOLE))
    if draw(st.booleans()):
        text = draw(forged_texts())
        # A surrogate has no UTF-8, so there is no hash that fits.
        digest = hash_of(text.encode(errors="replace").decode())
        return replace(entry, entry=text, hash=draw(st.sampled_from([entry.hash, digest])))
    field = draw(st.sampled_from([field.name for field in fields(HistoryEntry)]))
    return replace(entry, **{field: draw(anything)})


@given(
    st.lists(st.sampled_from(WHOLE) | forged_entries(), max_size=8),
    st.sampled_from([OPEN, CLOSED, ELSEWHERE, None]),
    st.sampled_from([START, TestRetention.OVER]),
)
@example([replace(WHOLE[0], entry="[" * 100_000)], None, START)
@example([replace(WHOLE[0], entry='{"zone":' * 900 + "0" + "}" * 900)], None, START)
@example([replace(WHOLE[0], entry="9" * 5000)], None, START)
@example([replace(WHOLE[0], entry="\ud800")], None, START)
def test_no_forgery_makes_verification_fail(
    entries: list[HistoryEntry], event: BreakGlassEvent | None, at: datetime
) -> None:
    """Whatever a history holds, it gets findings that can be printed, and never a traceback."""
    findings = verify_history(entries, event, at=at)
    assert all(finding.kind in str(finding) for finding in findings)


def test_text_without_utf8_has_no_hash_that_fits() -> None:
    """A surrogate has no UTF-8, so no hash can be about a text with one."""
    entry = replace(ENTRIES[0], entry=ENTRIES[0].entry.replace('"by":"alice"', '"by":"\ud800"'))
    found = [finding.kind for finding in verify_history([entry], OPEN, at=START)]
    assert "wrong hash" in found


def test_no_depth_of_nesting_makes_verification_fail() -> None:
    """Some depth can just be read and not be written again, whatever the stack is now."""
    end = ENTRIES[0].entry.removesuffix("}")
    for depth in range(1, sys.getrecursionlimit() + 10):
        text = f'{end},"zone":{"[" * depth}{"]" * depth}}}'
        verify_history([replace(ENTRIES[0], entry=text)], OPEN, at=START)


@given(st.data())
def test_no_rearranged_history_passes(data: st.DataObject) -> None:
    """A history with entries left out, repeated or moved is never called whole."""
    entries = data.draw(st.lists(st.sampled_from(WHOLE), max_size=8))
    assert (entries == WHOLE) == (verify_history(entries, None, at=START) == []) or not entries


@given(st.data())
def test_no_altered_text_passes(data: st.DataObject) -> None:
    """Whatever a forger does to one text, with or without its hash, is found.

    Only the last entry of a history can be replaced, because nothing links to it.
    """
    place = data.draw(st.integers(0, len(WHOLE) - 2))
    forged = data.draw(forged_texts())
    try:
        forged_hash = data.draw(st.sampled_from([WHOLE[place].hash, hash_of(forged)]))
    except UnicodeEncodeError:
        forged_hash = WHOLE[place].hash
    entry = replace(WHOLE[place], entry=forged, hash=forged_hash)
    if forged != WHOLE[place].entry:
        assert verify_history([*WHOLE[:place], entry, *WHOLE[place + 1 :]], None, at=START)
