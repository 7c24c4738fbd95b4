"""The checker on histories of a few calls, some of them impossible for a single store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.histories.check import check
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

EXPIRY = 2_000_000
LATE = EXPIRY + 1

A = Version("active", updated_at=10, expires_at=EXPIRY, evidence="a")
A_SHORT = A._replace(expires_at=900_000)
A_EXTENDED = A._replace(updated_at=20, expires_at=2 * EXPIRY, request_id="extension", extensions=1)
A_CLOSED = A._replace(status="closed", updated_at=30, closed_by="bob", closed_reason="done")
A_EXPIRED = A._replace(status="expired", updated_at=LATE)
A_EXTENDED_EXPIRED = A_EXTENDED._replace(status="expired", updated_at=2 * EXPIRY + 1)
B = Version("active", updated_at=40, expires_at=3 * EXPIRY, evidence="b")
B_LATE = B._replace(updated_at=LATE)


def call(kind: str, begin: int, end: int, answer: str = OK, now: int = 50, **more: Any) -> Call:
    returned = None if answer == UNKNOWN else end
    return Call(
        caller=f"{kind}@{begin}",
        kind=kind,
        pair="alice/prod",
        invoked=begin,
        returned=returned,
        nows=(now,),
        answer=answer,
        **more,
    )


def create(event_id: str, asked: Version, begin: int, end: int, **more: Any) -> Call:
    """Return an acknowledged create, unless another answer is given."""
    if "answer" not in more:
        more |= {"seen_id": event_id, "seen": asked}
    return call("create", begin, end, event_id=event_id, asked=asked, **more)


def close(begin: int, end: int, answer: str = OK, now: int = 30) -> Call:
    """Return a close of A by bob."""
    seen = {"seen_id": "a", "seen": A_CLOSED} if answer == OK else {}
    asked = Version("closed", 0, 0, "", None, "bob", "done")
    return call("close", begin, end, answer, now, event_id="a", asked=asked, **seen)


def extend(begin: int, end: int, answer: str = OK, **more: Any) -> Call:
    """Return an update of A as it was created."""
    asked = A_EXTENDED._replace(updated_at=A.updated_at, extensions=0)
    seen = {"seen_id": "a", "seen": A_EXTENDED} if answer == OK else {}
    return call("update", begin, end, answer, 20, event_id="a", asked=asked, **(seen | more))


def delete(begin: int, end: int, answer: str = OK) -> Call:
    return call("delete", begin, end, answer, event_id="a")


def get(begin: int, end: int, seen: Version) -> Call:
    return call("get", begin, end, event_id="a", seen_id="a", seen=seen)


def find(begin: int, end: int, seen: Version | None, now: int = 50) -> Call:
    seen_id = None if seen is None else seen.evidence
    return call("find", begin, end, now=now, seen_id=seen_id, seen=seen)


def refused(begin: int, end: int, holder: Version, now: int = 50) -> Call:
    """Return a create of B that was refused by a holder."""
    return create(
        "b",
        B,
        begin,
        end,
        now=now,
        answer="ActiveEventExistsError",
        seen_id=holder.evidence,
        seen=holder,
    )


CREATED = create("a", A, 0, 1)
LOST_CREATE = create("a", A, 0, 1, answer=UNKNOWN)
LAPSED = "InvalidStateTransitionError(expired)"

Ending = dict[str, Version | None]

POSSIBLE: dict[str, tuple[list[Call], Ending]] = {
    "one after the other": (
        [CREATED, find(2, 3, A), close(4, 5), find(6, 7, None)],
        {"a": A_CLOSED},
    ),
    "a find that overlaps the create sees it": (
        [create("a", A, 0, 10), find(2, 3, A)],
        {"a": A},
    ),
    "a find that overlaps the create does not see it": (
        [create("a", A, 0, 10), find(2, 3, None)],
        {"a": A},
    ),
    "a find of what had lapsed by its clock": ([CREATED, find(2, 3, None, now=EXPIRY)], {"a": A}),
    "clocks that disagree about a lapse": (
        [CREATED, find(2, 3, None, now=EXPIRY), find(4, 5, A, now=EXPIRY - 1)],
        {"a": A},
    ),
    "a create in the place of a lapsed event": (
        [CREATED, create("b", B_LATE, 2, 3, now=LATE)],
        {"a": A_EXPIRED, "b": B_LATE},
    ),
    "a close of a lapsed event, which marks it": (
        [CREATED, close(2, 3, LAPSED, now=LATE), get(4, 5, A_EXPIRED)],
        {"a": A_EXPIRED},
    ),
    "a close of a lapsed event that failed to mark it": (
        [CREATED, close(2, 3, LAPSED, now=LATE), get(4, 5, A)],
        {"a": A},
    ),
    "a refusal by the holder": ([CREATED, refused(2, 3, A)], {"a": A}),
    "two rivals, of whom one is refused": (
        [create("a", A, 0, 10), refused(1, 9, A)],
        {"a": A},
    ),
    "an update and a rival, whose version is old": (
        [
            CREATED,
            extend(2, 9),
            extend(3, 8, "ConcurrentModificationError", seen_id="a", seen=A_EXTENDED),
        ],
        {"a": A_EXTENDED},
    ),
    "a lost create that happened": ([LOST_CREATE, find(5, 6, A)], {"a": A}),
    "a lost create that happened late": (
        [LOST_CREATE, find(5, 6, None), find(7, 8, A)],
        {"a": A},
    ),
    "a lost create that never happened": ([LOST_CREATE, find(5, 6, None)], {}),
    "a lost create whose event was deleted": ([LOST_CREATE, delete(5, 6)], {"a": None}),
    "a lost close that happened": (
        [CREATED, close(2, 3, UNKNOWN), find(5, 6, None)],
        {"a": A_CLOSED},
    ),
    "a lost close that never happened": ([CREATED, close(2, 3, UNKNOWN), find(5, 6, A)], {"a": A}),
    "a lost update, replaced unseen": (
        [
            CREATED,
            extend(2, 3, UNKNOWN),
            extend(4, 5, "ConcurrentModificationError", seen_id="a", seen=A_EXTENDED),
            delete(6, 7),
        ],
        {"a": None},
    ),
    "a lost update that happened, and marked what lapsed when it was repeated": (
        [
            CREATED,
            replace(extend(2, 3, UNKNOWN), nows=(20, 2 * EXPIRY + 1)),
            get(4, 5, A_EXTENDED),
            get(6, 7, A_EXTENDED),
            get(8, 9, A_EXTENDED_EXPIRED),
        ],
        {"a": A_EXTENDED_EXPIRED},
    ),
    "a lost delete that happened": (
        [CREATED, delete(2, 3, UNKNOWN), find(4, 5, A), find(6, 7, None)],
        {"a": None},
    ),
    "a create that failed for good": ([create("a", A, 0, 1, answer=UNAVAILABLE)], {}),
    "a create that failed for good, after it had marked what had lapsed": (
        [CREATED, create("b", B_LATE, 2, 3, now=LATE, answer=UNAVAILABLE)],
        {"a": A_EXPIRED},
    ),
}

IMPOSSIBLE: dict[str, tuple[list[Call], Ending]] = {
    "stacking": ([CREATED, create("b", B, 2, 3)], {"a": A, "b": B}),
    "stacking by rivals": ([create("a", A, 0, 9), create("b", B, 1, 8)], {"a": A, "b": B}),
    "a find that misses access": ([CREATED, find(2, 3, None)], {"a": A}),
    "a find that still sees what was closed": (
        [CREATED, close(2, 3), find(4, 5, A)],
        {"a": A_CLOSED},
    ),
    "a find that sees an old version": ([CREATED, extend(2, 3), find(4, 5, A)], {"a": A_EXTENDED}),
    "a find that goes back in time": (
        [create("a", A, 0, 100), find(2, 3, A), find(4, 5, None)],
        {"a": A},
    ),
    "a find that grants what has lapsed": ([CREATED, find(2, 3, A, now=EXPIRY)], {"a": A}),
    "a find of what nobody created": ([find(2, 3, A)], {}),
    "an acknowledged create that is lost": ([CREATED], {}),
    "an acknowledged close that is lost": ([CREATED, close(2, 3)], {"a": A}),
    "an acknowledged update that is lost": ([CREATED, extend(2, 3)], {"a": A}),
    "an event that nobody closed": ([CREATED], {"a": A_CLOSED}),
    "an event that expired before its time": (
        [CREATED, create("b", B, 2, 3, now=EXPIRY - 1)],
        {"a": A_EXPIRED, "b": B},
    ),
    "a refusal by what has lapsed": ([CREATED, refused(2, 3, A, now=EXPIRY)], {"a": A}),
    "a refusal by what is closed": ([CREATED, close(2, 3), refused(4, 5, A)], {"a": A_CLOSED}),
    "a refused create that is there": (
        [CREATED, refused(2, 3, A), close(4, 5)],
        {"a": A_CLOSED, "b": B},
    ),
    "a create that failed for good and is there": (
        [create("a", A, 0, 1, answer=UNAVAILABLE)],
        {"a": A},
    ),
    "a close that failed for good and has happened": (
        [CREATED, close(2, 3, UNAVAILABLE)],
        {"a": A_CLOSED},
    ),
    "a lost create that happens before it began": (
        [find(0, 1, A), create("a", A, 2, 3, answer=UNKNOWN)],
        {"a": A},
    ),
    "a lost close that is undone": (
        [CREATED, close(2, 3, UNKNOWN), find(4, 5, None), find(6, 7, A)],
        {"a": A_CLOSED},
    ),
    "an extension in the last second": (
        [create("a", A_SHORT, 0, 1), extend(2, 3)],
        {"a": A_EXTENDED},
    ),
    "a stale update that is accepted": (
        [CREATED, extend(2, 3), extend(4, 5)],
        {"a": A_EXTENDED},
    ),
    "an update after the end": ([CREATED, close(2, 3), extend(4, 5)], {"a": A_EXTENDED}),
    "a lapsed event that is extended": (
        [CREATED, close(2, 3, LAPSED, now=LATE), get(4, 5, A_EXPIRED), extend(6, 7)],
        {"a": A_EXTENDED},
    ),
    "a delete that deletes nothing": ([CREATED, delete(2, 3), find(4, 5, A)], {"a": A}),
    "a deleted event that comes back": (
        [CREATED, delete(2, 3), create("a", A, 4, 5)],
        {"a": A},
    ),
    "an exception that is none of ours": (
        [CREATED, close(2, 3, "ClientError")],
        {"a": A},
    ),
}


@pytest.mark.parametrize(("calls", "final"), POSSIBLE.values(), ids=POSSIBLE)
def test_possible_history_is_accepted(calls: list[Call], final: Ending) -> None:
    """The checker finds an order for a history that a single store could have answered."""
    (verdict,) = check(calls, final)
    assert verdict.problem == ""
    assert not verdict.undecided


@pytest.mark.parametrize(("calls", "final"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_history_is_refused_with_an_excerpt(calls: list[Call], final: Ending) -> None:
    """The checker refuses a history that no store could have answered, with an excerpt."""
    (verdict,) = check(calls, final)
    assert verdict.problem.startswith("alice/prod: no order of the calls is possible")
    assert not verdict.undecided


@pytest.mark.parametrize(("nows", "possible"), [((EXPIRY - 1, EXPIRY), True), ((1, 2), False)])
def test_any_instant_that_a_call_read_may_decide_it(nows: tuple[int, ...], possible: bool) -> None:
    """Any instant that a call read may have decided it, and no other."""
    late = replace(find(2, 3, None), nows=nows)
    (verdict,) = check([CREATED, late], {"a": A})
    assert (verdict.problem == "") is possible


def test_each_pair_is_judged_by_itself() -> None:
    """A violation of one pair does not affect the verdict on another."""
    elsewhere = Call(
        caller="carol", kind="find", pair="carol/prod", invoked=2, returned=3, answer=OK
    )
    first, second = check([CREATED, find(2, 3, None), elsewhere], {"a": A})
    assert first.problem
    assert not second.problem


def test_search_beyond_its_limit_is_undecided() -> None:
    """A pair that cannot be decided within the limit is undecided, neither right nor wrong."""
    calls = [find(0, 100, None) for _ in range(20)]
    (verdict,) = check(calls, {}, limit=10)
    assert verdict.undecided


def test_call_survives_json() -> None:
    """A call is the same after a round trip through JSON."""
    recorded = extend(2, 3)
    assert Call.from_json(recorded.to_json()) == recorded


@pytest.mark.parametrize(("answer", "fits"), [("ValueError", True), ("EventExistsError", False)])
def test_create_of_an_event_that_was_extended(answer: str, fits: bool) -> None:
    """Nobody can create an active event that says it was extended, whether or not it is there."""
    (verdict,) = check([create("a", A_EXTENDED, 0, 1, answer=answer)], {})
    assert (verdict.problem == "") is fits
