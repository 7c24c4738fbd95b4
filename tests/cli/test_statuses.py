"""The exit status of every failure."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from pydantic import ValidationError

import aiobreakglass
from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
    BreakGlassEvent,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    ReasonCode,
    ReviewRefusedError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass.cli.statuses import (
    Status,
    TerminatedError,
    WrongUseError,
    failure_of,
    note_event,
)
from aiobreakglass.testing import make_event

EVENT = make_event(id="e5ee23033c0b4ce7")
ACTIVE, CLOSED = aiobreakglass.BreakGlassStatus.ACTIVE, aiobreakglass.BreakGlassStatus.CLOSED
UNKNOWN = StoreUnavailableError("the connection was lost", outcome_unknown=True)

FAILURES: list[tuple[BaseException, Status]] = [
    (EventNotFoundError(EVENT.id), Status.NO),
    (TableError("the table is missing"), Status.WRONG_USE),
    (WrongUseError("--for must be a duration"), Status.WRONG_USE),
    (FileNotFoundError(2, "No such file", "manifest.json"), Status.WRONG_USE),
    (FileExistsError("the folder has an export"), Status.WRONG_USE),
    (NotADirectoryError(20, "Not a directory", "export"), Status.WRONG_USE),
    (IsADirectoryError(21, "Is a directory", "manifest.json"), Status.WRONG_USE),
    (PermissionError(13, "Permission denied", "export"), Status.WRONG_USE),
    (StoreUnavailableError("throttled"), Status.COULD_NOT_TELL),
    (UNKNOWN, Status.COULD_NOT_TELL),
    (CorruptItemError("BREAKGLASS#1", "no status"), Status.COULD_NOT_TELL),
    (ExpiryError("some could not be marked", [UNKNOWN]), Status.COULD_NOT_TELL),
    (OSError(28, "No space left on device"), Status.COULD_NOT_TELL),
    (RuntimeError("a crash"), Status.COULD_NOT_TELL),
    (TypeError("a crash"), Status.COULD_NOT_TELL),
    (ActiveEventExistsError(EVENT), Status.REFUSED),
    (EventExistsError(EVENT.id), Status.REFUSED),
    (ConcurrentModificationError(EVENT.id), Status.REFUSED),
    (InvalidStateTransitionError(EVENT.id, CLOSED, CLOSED), Status.REFUSED),
    (ImmutableFieldError(EVENT.id, "invoker"), Status.REFUSED),
    (LimitExceededError("cooldown", "wait", None, [EVENT.id]), Status.REFUSED),
    (ReviewRefusedError(EVENT, "is active"), Status.REFUSED),
    (EventHeldError(EVENT), Status.REFUSED),
    (ItemTooLargeError("BREAKGLASS#1"), Status.REFUSED),
    (KeyboardInterrupt(), Status.INTERRUPTED),
    (asyncio.CancelledError(), Status.INTERRUPTED),
    (TerminatedError(), Status.TERMINATED),
]


@pytest.mark.parametrize(("error", "status"), FAILURES, ids=lambda it: type(it).__name__)
def test_failure_has_its_status(error: BaseException, status: Status) -> None:
    """Only an event that is not there is "no"; whatever is not known is "could not tell"."""
    failure = failure_of(error)
    assert failure.status is status
    assert failure.message
    assert failure.values()["status"] == status


def test_every_exception_of_the_library_has_its_status() -> None:
    """A new exception must be given its status: otherwise it would look like a crash."""
    exceptions = {
        value
        for value in vars(aiobreakglass).values()
        if inspect.isclass(value) and issubclass(value, BreakGlassError)
    } - {BreakGlassError}
    assert exceptions <= {type(error) for error, _ in FAILURES}


@pytest.mark.parametrize("error", [UNKNOWN, KeyboardInterrupt(), TerminatedError()])
def test_unknown_outcome_says_what_to_look_for(error: BaseException) -> None:
    """Whoever cannot know whether a write happened is told how to find out, by the verb itself."""
    failure = failure_of(error)
    assert failure.outcome_unknown
    assert failure.advice.startswith("Look before you repeat it")
    note_event(error, EVENT.id)
    failure = failure_of(error)
    assert failure.advice.startswith(f"If it was written, it is event {EVENT.id}.")
    assert failure.event_ids == (EVENT.id,)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TerminatedError(), KeyError("table")])
def test_question_leaves_no_doubt(error: BaseException) -> None:
    """What cannot have written anything does not say that it may have."""
    failure = failure_of(error, may_have_written=False)
    assert not failure.outcome_unknown
    assert "may have" not in failure.message
    assert "Look before" not in failure.advice


def test_answer_that_cannot_be_printed_names_what_was_written() -> None:
    """A full disk behind standard output does not undo an opening."""
    error = OSError(28, "No space left on device")
    assert not failure_of(error).outcome_unknown
    note_event(error, EVENT.id)
    failure = failure_of(error)
    assert failure.outcome_unknown
    assert failure.event_ids == (EVENT.id,)


def test_refusal_says_nothing_was_written() -> None:
    error = ActiveEventExistsError(EVENT)
    note_event(error, "0000000000000000")
    failure = failure_of(error)
    assert not failure.outcome_unknown
    assert failure.advice == ""
    assert failure.values()["event_ids"] == [EVENT.id]


def test_wrong_event_names_the_field_and_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        BreakGlassEvent(
            invoker="al\u200bice",
            profile="prod",
            reason_code=ReasonCode.INCIDENT,
            justification="secret",
        )
    message = failure_of(caught.value).message
    assert message.startswith("invoker: must not have control")
    assert "; justification: must have 20 to 1000" in message
    assert "secret" not in message


def test_crash_is_marked_as_ours() -> None:
    failure = failure_of(KeyError("table"))
    assert "KeyError: 'table'" in failure.trace
    assert failure.outcome_unknown
    assert "Please report it" in failure.advice
