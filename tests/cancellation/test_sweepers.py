"""Several sweepers at the same time."""

from __future__ import annotations

import asyncio

from aiobreakglass._workers.expiry import expire_due
from aiobreakglass.testing import FakeClock

from .cases import opened
from .conftest import Subject


class TestSweepers:
    async def test_concurrent_sweepers_mark_each_event_once(
        self, subject: Subject, clock: FakeClock
    ) -> None:
        """However many sweepers run, each event is marked exactly once."""
        events = [await opened(subject.store, clock, f"user-{number}") for number in range(24)]
        clock.advance(max(event.duration for event in events))
        sweeps = await asyncio.gather(*(expire_due(subject.store, now=clock()) for _ in range(6)))
        flipped = [event.id for sweep in sweeps for event in sweep]
        assert sorted(flipped) == sorted(event.id for event in events)
        for event in events:
            stored = await subject.store.get(event.id)
            assert stored == event.expire(at=clock()).model_copy(update={"updated_at": clock()})
        subject.assert_quiet()
        await subject.assert_sound()
