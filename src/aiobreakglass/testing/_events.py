"""Events and a clock for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass._contract.arguments import check_instant
from aiobreakglass._domain.event import BreakGlassEvent


def make_event(**overrides: Any) -> BreakGlassEvent:
    """Return a valid event with an id of its own, any of whose fields can be given.

    By default alice opens `prod` for an hour, now. A store with a `FakeClock` lives in another
    present, so give its events that: `make_event(created_at=clock())`. With `status="closed"` the
    event comes with somebody who closed it, and why.
    """
    closing = {"closed_by": "bob", "closed_reason": "The primary database answers again"}
    return BreakGlassEvent.model_validate(
        {
            "invoker": "alice",
            "profile": "prod",
            "reason_code": "incident",
            "justification": "The primary database does not answer",
            **(closing if overrides.get("status") == "closed" else {}),
            **overrides,
        }
    )


class FakeClock:
    """A clock that moves only when told to.

    Pass it as a store's `clock`::

        clock = FakeClock()
        store = InMemoryStore(clock=clock)
        event = await store.create(make_event(created_at=clock()))
        clock.advance(event.duration)
        assert not event.is_active(clock())

    It starts at the same instant in every run, so that a failure can be repeated, and long ago, so
    that code which asks the machine's clock instead of this one is found out: every event that is
    fresh by this clock has lapsed by that one. It is so long ago that DynamoDB's TTL leaves the
    rows alone, which passes over what should have gone more than five years before
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html).
    """

    START = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)

    def __init__(self, start: datetime = START) -> None:
        self._now = check_instant("start", start)

    def __call__(self) -> datetime:
        """Return the clock's present, an aware datetime in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the clock; a negative `by` steps it back, as real clocks do when they are set."""
        if not isinstance(by, timedelta):
            raise TypeError(
                f"by must be a timedelta, not {type(by).__name__}: write timedelta(seconds=5)"
            )
        self._now += by

    def set(self, instant: datetime) -> None:
        """Move the clock to an instant, which must be aware."""
        self._now = check_instant("instant", instant)
