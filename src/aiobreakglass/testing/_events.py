"""Make events and a clock for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiobreakglass._contract.arguments import check_instant
from aiobreakglass._domain.event import BreakGlassEvent


def make_event(**overrides: Any) -> BreakGlassEvent:
    """Return a valid event with a fresh id.

    By default alice opens `prod` for an hour, now. A store with a `FakeClock` has another current
    time, so pass that: `make_event(created_at=clock())`. If you pass `status="closed"`, the event
    also has a `closed_by` and a `closed_reason`.

    Args:
        overrides: The fields to set, by name.
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

    It starts at the same instant in every run, so that you can repeat a failure. That instant is
    long ago, which exposes code that reads the machine's clock instead: an event that is active by
    this clock has lapsed by the machine's. It is so long ago that DynamoDB's TTL deletes no rows,
    because TTL ignores rows that expired more than five years ago
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html).

    Args:
        start: The first instant, which must be aware.
    """

    START = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)

    def __init__(self, start: datetime = START) -> None:
        self._now = check_instant("start", start)

    def __call__(self) -> datetime:
        """Return the clock's current time in UTC."""
        return self._now

    def advance(self, by: timedelta) -> None:
        """Move the clock.

        Args:
            by: How far to move it. A negative value moves it back, as when a real clock is set.

        Raises:
            TypeError: `by` is not a timedelta.
        """
        if not isinstance(by, timedelta):
            raise TypeError(
                f"by must be a timedelta, not {type(by).__name__}: write timedelta(seconds=5)"
            )
        self._now += by

    def set(self, instant: datetime) -> None:
        """Move the clock to an instant.

        Args:
            instant: The new current time, which must be aware.
        """
        self._now = check_instant("instant", instant)
