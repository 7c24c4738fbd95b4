"""Cancellation that lets what has been begun come to its end, for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import _shielding
from aiobreakglass._shielding import shielded


class Work:
    """Something that is begun, goes on until it may end, and notes how it ended."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ending = ""
        self.task: asyncio.Task[Any] | None = None

    async def __call__(self) -> str:
        self.task = asyncio.current_task()
        self.begun.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ending = "cut off"
            raise
        self.ending = "finished"
        if self.failure is not None:
            raise self.failure
        return "result"


async def begun(work: Work) -> asyncio.Task[str]:
    """Begin work behind the shield, and return the caller that waits for it."""
    caller = asyncio.create_task(shielded(work()))
    await work.begun.wait()
    return caller


async def delivered(caller: asyncio.Task[str]) -> None:
    """Cancel a caller, and let it notice."""
    caller.cancel()
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def nothing_is_left_or_said() -> AsyncIterator[None]:
    """No task outlives its caller, and the event loop has nothing to complain about."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, complaint: complaints.append(complaint)
    )
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
    assert complaints == []


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(milliseconds=20))


class TestUndisturbed:
    async def test_work_that_ends_well(self) -> None:
        """The caller gets the result."""
        caller = await begun(work := Work())
        work.may_end.set()
        assert await caller == "result"

    async def test_work_that_fails(self) -> None:
        """The caller gets the very exception."""
        caller = await begun(work := Work(failure := KeyError("broken")))
        work.may_end.set()
        with pytest.raises(KeyError) as caught:
            await caller
        assert caught.value is failure

    async def test_work_that_is_cancelled_by_others(self) -> None:
        """Work that is cancelled itself, as when its loop shuts down, cancels its caller."""
        caller = await begun(work := Work())
        assert work.task is not None
        work.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "cut off"


class TestCancelled:
    async def test_while_work_goes_on(self) -> None:
        """A cancelled caller waits for its work to finish, and is cancelled then."""
        caller = await begun(work := Work())
        await delivered(caller)
        assert not caller.done()
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    async def test_as_work_ends(self) -> None:
        """A cancellation that comes with the result is a cancellation still."""
        caller = await begun(work := Work())
        work.may_end.set()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    async def test_work_that_fails_then(self) -> None:
        """The caller is cancelled, and a failure that nobody is there for is not reported."""
        caller = await begun(work := Work(KeyError("broken")))
        await delivered(caller)
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    @pytest.mark.usefixtures("short_grace")
    async def test_work_that_outlasts_the_grace(self) -> None:
        """When the grace is over the work is cut off, and has ended before its caller has."""
        caller = await begun(work := Work())
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "cut off"

    async def test_work_that_outlasts_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A deadline that is nearer than the grace cuts the work off."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))
        work = Work()
        deadline = asyncio.get_running_loop().time() + 0.05
        caller = asyncio.create_task(shielded(work(), deadline))
        await work.begun.wait()
        caller.cancel()
        await asyncio.wait({caller}, timeout=30)
        assert caller.cancelled()
        assert work.ending == "cut off"

    async def test_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who is cancelled again during the grace waits no longer: the work is cut off at once."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))
        caller = await begun(work := Work())
        await delivered(caller)
        async with asyncio.timeout(60):
            await delivered(caller)
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert work.ending == "cut off"

    async def test_again_and_again(self) -> None:
        """However often it is cancelled, a caller leaves no work behind."""
        caller = await begun(work := Work())
        while not caller.done():
            await delivered(caller)
        assert caller.cancelled()
        assert work.ending == "cut off"

    async def test_by_a_time_limit(self) -> None:
        """A time limit around the call is still told as one, when the work has finished."""
        work = Work()

        async def limited() -> None:
            async with asyncio.timeout_at(asyncio.get_running_loop().time()):
                await shielded(work())

        caller = asyncio.create_task(limited())
        await work.begun.wait()
        assert not caller.done()
        work.may_end.set()
        with pytest.raises(TimeoutError):
            await caller
        assert work.ending == "finished"
