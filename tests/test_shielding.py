"""Cancellation gives work that has begun a bounded time to finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import _shielding
from aiobreakglass._shielding import shielded


class Work:
    """Work that runs until it may end, and records how it ended."""

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
    """Start shielded work, and return the task that waits for it."""
    caller = asyncio.create_task(shielded(work()))
    await work.begun.wait()
    return caller


async def delivered(caller: asyncio.Task[str]) -> None:
    """Cancel a caller, and let it run once."""
    caller.cancel()
    await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def nothing_is_left_or_said() -> AsyncIterator[None]:
    """No task outlives its caller, and the event loop reports no errors."""
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
    async def test_finished_work_returns_its_result(self) -> None:
        """The caller gets the result."""
        caller = await begun(work := Work())
        work.may_end.set()
        assert await caller == "result"

    async def test_failed_work_raises_its_own_exception(self) -> None:
        """The caller gets the same exception object."""
        caller = await begun(work := Work(failure := KeyError("broken")))
        work.may_end.set()
        with pytest.raises(KeyError) as caught:
            await caller
        assert caught.value is failure

    async def test_cancelled_work_cancels_its_caller(self) -> None:
        """If the work itself is cancelled, as at loop shutdown, its caller is cancelled."""
        caller = await begun(work := Work())
        assert work.task is not None
        work.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "cut off"


class TestCancelled:
    async def test_cancelled_caller_waits_for_its_work(self) -> None:
        """A cancelled caller waits for its work to finish, and is then cancelled."""
        caller = await begun(work := Work())
        await delivered(caller)
        assert not caller.done()
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    async def test_cancellation_with_the_result_still_cancels(self) -> None:
        """A cancellation that arrives together with the result still cancels the caller."""
        caller = await begun(work := Work())
        work.may_end.set()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    async def test_failure_after_cancellation_is_not_reported(self) -> None:
        """The caller is cancelled, and the event loop does not report the work's failure."""
        caller = await begun(work := Work(KeyError("broken")))
        await delivered(caller)
        work.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "finished"

    @pytest.mark.usefixtures("short_grace")
    async def test_work_that_outlasts_the_grace_is_cut_off(self) -> None:
        """When the grace ends, the work is cut off and ends before its caller."""
        caller = await begun(work := Work())
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert work.ending == "cut off"

    async def test_work_that_outlasts_the_deadline_is_cut_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A deadline that comes before the end of the grace cuts the work off."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))
        work = Work()
        deadline = asyncio.get_running_loop().time() + 0.05
        caller = asyncio.create_task(shielded(work(), deadline))
        await work.begun.wait()
        caller.cancel()
        await asyncio.wait({caller}, timeout=30)
        assert caller.cancelled()
        assert work.ending == "cut off"

    async def test_second_cancellation_cuts_the_work_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second cancellation during the grace cuts the work off at once."""
        monkeypatch.setattr(_shielding, "CANCELLATION_GRACE", timedelta(hours=1))
        caller = await begun(work := Work())
        await delivered(caller)
        async with asyncio.timeout(60):
            await delivered(caller)
            with pytest.raises(asyncio.CancelledError):
                await caller
        assert work.ending == "cut off"

    async def test_repeated_cancellation_leaves_no_work(self) -> None:
        """A caller leaves no work behind, however often it is cancelled."""
        caller = await begun(work := Work())
        while not caller.done():
            await delivered(caller)
        assert caller.cancelled()
        assert work.ending == "cut off"

    async def test_time_limit_still_raises_timeout_error(self) -> None:
        """A time limit around the call raises `TimeoutError` once the work has finished."""
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
