"""Calls that are cancelled at each of their suspensions in turn."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from itertools import count
from typing import Any, Literal, TypeVar

import pytest

from aiobreakglass.testing import FakeClock

from .cases import Case, every_case
from .conftest import Subject, assert_repeatable, outcome

_Result = TypeVar("_Result")
Moment = Literal["before", "after"]
"""Whether a call is cancelled while it is suspended, or just before it resumes."""


@types.coroutine
def cancelled_at(
    suspension: int, moment: Moment, call: Coroutine[Any, Any, _Result]
) -> Generator[Any, Any, _Result]:
    """Await a call, and cancel the current task at the call's n-th suspension."""
    task = asyncio.current_task()
    assert task is not None
    go_on: Callable[[], Any] = partial(call.send, None)
    for number in count(1):
        try:
            awaited = go_on()
        except StopIteration as end:
            result: _Result = end.value
            return result
        if number == suspension:
            if moment == "before" or awaited is None:
                task.cancel()
            else:
                # This runs before the task's own callback, so the result is already there.
                awaited.add_done_callback(lambda _: task.cancel())
        try:
            yield awaited
            go_on = partial(call.send, None)
        except BaseException as thrown:  # noqa: BLE001 - passed on to the call
            go_on = partial(call.throw, thrown)
    raise AssertionError("counting does not end")


class TestCancelledAtAnyPoint:
    @every_case
    @pytest.mark.parametrize(
        ("subject", "moment"),
        [
            ("memory", "before"),
            ("memory", "after"),
            pytest.param("standard", "before", marks=pytest.mark.emulator),
            # Our own transport, which nobody else tests.
            pytest.param("fast", "before", marks=pytest.mark.emulator),
            pytest.param("fast", "after", marks=pytest.mark.emulator),
        ],
        indirect=["subject"],
    )
    async def test_call_cancelled_at_any_point_can_be_repeated(
        self, subject: Subject, clock: FakeClock, case: Case, moment: Moment
    ) -> None:
        """Wherever a call is cancelled, it ends, leaves nothing behind, and can be repeated."""
        for suspension in count(1):
            event = await case.given(subject.store, clock, f"user-{suspension}")
            others = asyncio.all_tasks()
            call = cancelled_at(suspension, moment, case.call(subject.store, event))
            task = asyncio.create_task(outcome(call))
            await asyncio.wait({task})
            assert asyncio.all_tasks() == others
            subject.assert_quiet()
            # A read leaves the rows alone, and of two steps a repetition makes the second one.
            if case.is_write and not case.has_two_steps:
                await subject.assert_sound()
            await assert_repeatable(case, subject.store, event)
            subject.assert_quiet()
            if not task.cancelled():
                break
        assert suspension > 1
        # Each suspension had an invoker of its own, whose rows nothing has mended since.
        await subject.assert_sound()
