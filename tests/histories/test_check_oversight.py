"""The checker on extensions, reviews and holds, some of them impossible for a single store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.histories.check import check
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

HOUR = 3_600_000_000
EXPIRY = 2_000_000
LATE = EXPIRY + 7

A = Version("active", updated_at=10, expires_at=EXPIRY, evidence="alice|prod|10")
A_LONGER = A._replace(updated_at=20, expires_at=2 * EXPIRY, extensions=1)
A_LONGEST = A_LONGER._replace(expires_at=10 + 4 * HOUR)
A_HELD = A._replace(updated_at=30, held_by="counsel")
A_HELD_CLOSED = A_HELD._replace(
    status="closed", updated_at=40, closed_by="bob", closed_reason="done"
)
A_CLOSED = A_HELD_CLOSED._replace(held_by=None)
A_RELEASED = A_CLOSED._replace(updated_at=50)
A_EXPIRED = A._replace(status="expired", updated_at=LATE)


def reviewed(version: Version, outcome: str, at: int, by: str = "carol") -> Version:
    return version._replace(updated_at=at, reviewed_by=by, review_outcome=outcome)


FOLLOWED = reviewed(A_CLOSED, "needs_follow_up", 50)
UNJUSTIFIED = reviewed(A_CLOSED, "unjustified", 50)
JUSTIFIED = reviewed(A_CLOSED, "justified", 60)

HELD, REFUSED = "EventHeldError", "ReviewRefusedError"
NOT_HELD, LAPSED = "InvalidStateTransitionError(active)", "InvalidStateTransitionError(expired)"


def call(
    kind: str,
    begin: int,
    seen: Version | None = None,
    answer: str = OK,
    now: int | None = None,
    asked: Version | None = None,
) -> Call:
    """Return a call that ends at once; by default it is decided when its version says."""
    return Call(
        caller=f"{kind}@{begin}",
        kind=kind,
        pair="alice/prod",
        event_id="" if kind == "find" else "a",
        invoked=begin,
        returned=None if answer == UNKNOWN else begin + 1,
        nows=(now if now is not None else seen.updated_at if seen is not None else 70,),
        answer=answer,
        asked=asked,
        seen_id=None if seen is None else "a",
        seen=seen,
    )


def prolong(
    begin: int,
    seen: Version | None,
    answer: str = OK,
    *,
    until: int = 2 * EXPIRY,
    now: int | None = None,
) -> Call:
    asked = Version("active", 0, until, "")
    return call("prolong", begin, seen, answer, now, asked)


def review(
    begin: int,
    seen: Version | None,
    outcome: str,
    answer: str = OK,
    by: str = "carol",
    **more: Any,
) -> Call:
    asked = Version("", 0, 0, "", reviewed_by=by, review_outcome=outcome)
    return call("review", begin, seen, answer, asked=asked, **more)


def hold(begin: int, seen: Version | None, answer: str = OK) -> Call:
    asked = Version("", 0, 0, "", held_by="counsel")
    return call("hold", begin, seen, answer, now=30, asked=asked)


def release(begin: int, seen: Version | None, answer: str = OK) -> Call:
    return call("release", begin, seen, answer, now=50, asked=Version("", 0, 0, ""))


def close(begin: int, seen: Version) -> Call:
    asked = Version("closed", 0, 0, "", closed_by="bob", closed_reason="done")
    return call("close", begin, seen, asked=asked)


CREATED = call("create", 0, A, asked=A)
CLOSED = [CREATED, close(2, A_CLOSED)]
HELD_AND_CLOSED = [CREATED, hold(2, A_HELD), close(4, A_HELD_CLOSED)]

History = tuple[list[Call], Version | None]

POSSIBLE: dict[str, History] = {
    "an extension": ([CREATED, prolong(2, A_LONGER)], A_LONGER),
    "an extension to an earlier end": (
        [CREATED, prolong(2, A_LONGER), prolong(4, None, "ValueError")],
        A_LONGER,
    ),
    "an extension to an end too late": (
        [CREATED, prolong(2, None, "ValueError", until=10 + 4 * HOUR + 1)],
        A,
    ),
    "an extension to the last end": (
        [CREATED, prolong(2, A_LONGEST, until=10 + 4 * HOUR)],
        A_LONGEST,
    ),
    "an extension in the last second": (
        [CREATED, prolong(2, None, NOT_HELD, now=EXPIRY - 999_999)],
        A,
    ),
    "an extension of what has lapsed, which marks it": (
        [CREATED, prolong(2, None, LAPSED, now=LATE)],
        A_EXPIRED,
    ),
    "a lost extension that happened": ([CREATED, prolong(2, None, UNKNOWN, now=20)], A_LONGER),
    "a lost extension that never happened": ([CREATED, prolong(2, None, UNKNOWN, now=20)], A),
    "a review after a closing": ([*CLOSED, review(4, JUSTIFIED, "justified")], JUSTIFIED),
    "a review after another that is not final": (
        [*CLOSED, review(4, FOLLOWED, "needs_follow_up"), review(6, JUSTIFIED, "justified")],
        JUSTIFIED,
    ),
    "a review after a final one": (
        [
            *CLOSED,
            review(4, UNJUSTIFIED, "unjustified"),
            review(6, UNJUSTIFIED, "justified", REFUSED),
        ],
        UNJUSTIFIED,
    ),
    "a review of what has lapsed, which marks it": (
        [
            CREATED,
            review(2, reviewed(A_EXPIRED, "justified", LATE + 1), "justified", now=LATE),
        ],
        reviewed(A_EXPIRED, "justified", LATE + 1),
    ),
    "a review of what is active": ([CREATED, review(2, A, "justified", REFUSED)], A),
    "a review by the invoker": (
        [*CLOSED, review(4, A_CLOSED, "justified", REFUSED, by="ALICE")],
        A_CLOSED,
    ),
    "a hold of what is active, and its end": (HELD_AND_CLOSED, A_HELD_CLOSED),
    "a hold of what is held": ([CREATED, hold(2, A_HELD), hold(4, A_HELD, HELD)], A_HELD),
    "a deletion of what is held": (
        [CREATED, hold(2, A_HELD), call("delete", 4, A_HELD, HELD)],
        A_HELD,
    ),
    "a release": ([*HELD_AND_CLOSED, release(6, A_RELEASED)], A_RELEASED),
    "a release of what is not held": ([CREATED, release(2, None, NOT_HELD)], A),
    "a lost hold that happened": ([CREATED, hold(2, None, UNKNOWN)], A_HELD),
    "a lost release that happened": (
        [*HELD_AND_CLOSED, release(6, None, UNKNOWN)],
        A_RELEASED,
    ),
}

IMPOSSIBLE: dict[str, History] = {
    "an extension that counts twice": (
        [CREATED, prolong(2, A_LONGER._replace(extensions=2))],
        A_LONGER._replace(extensions=2),
    ),
    "an extension in the last second": (
        [CREATED, prolong(2, A_LONGER._replace(updated_at=EXPIRY - 999_999))],
        A_LONGER._replace(updated_at=EXPIRY - 999_999),
    ),
    "an extension of what is closed": ([*CLOSED, prolong(4, A_LONGER)], A_LONGER),
    "an extension that is lost": ([CREATED, prolong(2, A_LONGER)], A),
    "access that lapses during its extension": (
        [CREATED, prolong(2, A_LONGER), call("find", 4, None, now=EXPIRY)],
        A_LONGER,
    ),
    "a review of what is active": (
        [CREATED, review(2, reviewed(A, "justified", 60), "justified")],
        reviewed(A, "justified", 60),
    ),
    "a review after a final one": (
        [*CLOSED, review(4, UNJUSTIFIED, "unjustified"), review(6, JUSTIFIED, "justified")],
        JUSTIFIED,
    ),
    "a review by the invoker": (
        [
            *CLOSED,
            review(4, reviewed(A_CLOSED, "justified", 60, "ALICE"), "justified", by="ALICE"),
        ],
        reviewed(A_CLOSED, "justified", 60, "ALICE"),
    ),
    "a refused review of what may be reviewed": (
        [*CLOSED, review(4, A_CLOSED, "justified", REFUSED)],
        A_CLOSED,
    ),
    "a review that failed for good and has happened": (
        [*CLOSED, review(4, None, "justified", UNAVAILABLE, now=60)],
        JUSTIFIED,
    ),
    "a hold of what is held": ([CREATED, hold(2, A_HELD), hold(4, A_HELD)], A_HELD),
    "a hold that an old closing undoes": (
        [CREATED, hold(2, A_HELD), close(4, A_CLOSED)],
        A_CLOSED,
    ),
    "a deletion of what is held": ([CREATED, hold(2, A_HELD), call("delete", 4)], None),
    "a release of what is not held": ([*CLOSED, release(4, A_RELEASED)], A_RELEASED),
    "an expiry at another instant than it says": (
        [CREATED, prolong(2, None, LAPSED, now=LATE + 1)],
        A_EXPIRED,
    ),
}


@pytest.mark.parametrize(("calls", "final"), POSSIBLE.values(), ids=POSSIBLE)
def test_possible_oversight(calls: list[Call], final: Version | None) -> None:
    """The checker finds an order for what a single store could have answered."""
    (verdict,) = check(calls, {"a": final})
    assert verdict.problem == ""


@pytest.mark.parametrize(("calls", "final"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible_oversight(calls: list[Call], final: Version | None) -> None:
    """The checker refuses what no store could have answered."""
    (verdict,) = check(calls, {"a": final})
    assert verdict.problem
    assert not verdict.undecided


def test_mark_that_was_seen_at_the_end() -> None:
    """An event that nobody oversees was marked when its row says: no other instant is tried."""
    b = Version("active", LATE, 3 * EXPIRY, "b")
    rivals = [
        replace(prolong(2, None, LAPSED, now=LATE - number), returned=100)
        for number in range(7, -1, -1)
    ]
    created = replace(call("create", 150, b, asked=b), event_id="b", seen_id="b")
    found = replace(call("find", 200, b), seen_id="b", returned=300)
    (verdict,) = check([CREATED, *rivals, created, *[found] * 9], {"a": A_EXPIRED, "b": b})
    assert verdict.problem == ""
    assert verdict.visited < 100
