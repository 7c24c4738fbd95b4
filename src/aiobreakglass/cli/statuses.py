"""Decide what a failure means for the exit status, and what a person should read; in one place."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
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
    ReviewRefusedError,
    StoreUnavailableError,
    TableError,
)


class Status(IntEnum):
    """What the exit status says."""

    DONE = 0
    """Yes, or done."""
    NO = 1
    """The answer is no: no access, no such event, or findings."""
    WRONG_USE = 2
    """The command line, a setting or the table is wrong; nothing was written."""
    COULD_NOT_TELL = 3
    """The question has no answer, or the outcome of a write is unknown."""
    REFUSED = 4
    """A rule refused; nothing was written."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it."""
    TERMINATED = 143
    """SIGTERM, as shells count it."""


class WrongUseError(Exception):
    """The command line or a setting is wrong."""


class TerminatedError(Exception):
    """Another process asked this one to end."""


class Failure(NamedTuple):
    """What a command says when it fails."""

    status: Status
    kind: str
    """The name of the exception, for programs."""
    message: str
    advice: str = ""
    """What to do next."""
    outcome_unknown: bool = False
    event_ids: tuple[str, ...] = ()
    trace: str = ""
    """Where the command itself is mistaken, if it is."""

    def values(self) -> Mapping[str, Any]:
        """Return what a program reads on standard error."""
        values: dict[str, Any] = {
            "error": self.kind,
            "status": int(self.status),
            "message": self.message,
            "outcome_unknown": self.outcome_unknown,
        }
        if self.event_ids:
            values["event_ids"] = list(self.event_ids)
        if self.advice:
            values["advice"] = self.advice
        if self.trace:
            values["traceback"] = self.trace
        return values


_STATUSES: Final[Mapping[type[BaseException], Status]] = {
    EventNotFoundError: Status.NO,
    TableError: Status.WRONG_USE,
    WrongUseError: Status.WRONG_USE,
    ValidationError: Status.WRONG_USE,
    FileExistsError: Status.WRONG_USE,
    FileNotFoundError: Status.WRONG_USE,
    NotADirectoryError: Status.WRONG_USE,
    IsADirectoryError: Status.WRONG_USE,
    PermissionError: Status.WRONG_USE,
    StoreUnavailableError: Status.COULD_NOT_TELL,
    CorruptItemError: Status.COULD_NOT_TELL,
    ExpiryError: Status.COULD_NOT_TELL,
    ActiveEventExistsError: Status.REFUSED,
    EventExistsError: Status.REFUSED,
    ConcurrentModificationError: Status.REFUSED,
    InvalidStateTransitionError: Status.REFUSED,
    ImmutableFieldError: Status.REFUSED,
    LimitExceededError: Status.REFUSED,
    ReviewRefusedError: Status.REFUSED,
    EventHeldError: Status.REFUSED,
    ItemTooLargeError: Status.REFUSED,
    KeyboardInterrupt: Status.INTERRUPTED,
    asyncio.CancelledError: Status.INTERRUPTED,
    TerminatedError: Status.TERMINATED,
}
"""The status of each failure that is expected; any other is a crash of our own."""

_NOTED: Final = "aiobreakglass_event_ids"
"""The attribute of an exception that has the ids of what may have been written."""

_ADVISED: Final = "aiobreakglass_advice"
"""The attribute of an exception that has what to do next if nothing was written."""

_LOOK_FIRST: Final = "Look before you repeat it: aiobreakglass check, show or list."

_ADVICE: Final[Mapping[type[BaseException], str]] = {
    TableError: "See the settings with --show-settings; make a table with "
    "aiobreakglass table create.",
    CorruptItemError: "Find every such row with: aiobreakglass audit",
    EventHeldError: "End the hold with: aiobreakglass release ID",
}


def failure_of(error: BaseException, *, may_have_written: bool = True) -> Failure:
    """Return what a command says about an exception that ended it.

    Args:
        error: The exception.
        may_have_written: Whether a write may have been under way.
    """
    known = next((base for base in type(error).__mro__ if base in _STATUSES), None)
    if known is None:
        return _crash(error, may_have_written)
    status = _STATUSES[known]
    is_cut_short = status in (Status.INTERRUPTED, Status.TERMINATED)
    outcome_unknown = (
        may_have_written if is_cut_short else getattr(error, "outcome_unknown", False) is True
    )
    return Failure(
        status,
        type(error).__name__,
        _message(error) if not is_cut_short else _cut_short(status, may_have_written),
        _to_look_for(error) if outcome_unknown else _advice(error, known),
        outcome_unknown,
        _event_ids(error) or (_noted_ids(error) if outcome_unknown else ()),
    )


def _cut_short(status: Status, may_have_written: bool) -> str:
    what = "interrupted" if status is Status.INTERRUPTED else "terminated"
    if may_have_written:
        return f"{what}; a write that was under way may have happened"
    return f"{what}; nothing was written"


def advise(error: BaseException, advice: str) -> None:
    """Let the failure say what to do next if nothing was written."""
    setattr(error, _ADVISED, advice)


def note_event(error: BaseException, event_id: str) -> None:
    """Let the failure name an event that may have been written although an exception came."""
    error.add_note(
        f"If it was written, it is event {event_id}. Look before you repeat it: "
        f"aiobreakglass show {event_id}"
    )
    setattr(error, _NOTED, (event_id,))


def _crash(error: BaseException, may_have_written: bool) -> Failure:
    kind = type(error).__name__
    if isinstance(error, OSError):
        # A full disk, or a terminal that is gone.
        notes = _notes(error)
        return Failure(
            Status.COULD_NOT_TELL, kind, _message(error), notes, bool(notes), _noted_ids(error)
        )
    return Failure(
        Status.COULD_NOT_TELL,
        kind,
        f"the command itself failed: {kind}: {error}",
        "This is a mistake in aiobreakglass. Please report it."
        + (f" {_to_look_for(error)}" if may_have_written else ""),
        outcome_unknown=may_have_written,
        event_ids=_noted_ids(error),
        trace="".join(traceback.format_exception(error)),
    )


def _to_look_for(error: BaseException) -> str:
    """Return what to do if a write may have happened: the verb's own notes, if it added any."""
    return _notes(error) or _LOOK_FIRST


def _advice(error: BaseException, known: type[BaseException]) -> str:
    advised: str = getattr(error, _ADVISED, "")
    return advised or _ADVICE.get(known, "")


def _noted_ids(error: BaseException) -> tuple[str, ...]:
    ids: tuple[str, ...] = getattr(error, _NOTED, ())
    return ids


def _notes(error: BaseException) -> str:
    return " ".join(getattr(error, "__notes__", ()))


def _message(error: BaseException) -> str:
    match error:
        case ValidationError():
            mistakes = error.errors(include_input=False, include_url=False, include_context=False)
            return "; ".join(
                f"{'.'.join(map(str, mistake['loc'])) or error.title}: "
                f"{mistake['msg'].removeprefix('Value error, ')}"
                for mistake in mistakes
            )
        case ExpiryError():
            problems = "; ".join(map(str, error.exceptions))
            return f"{error.message}: {problems}"
        case OSError(strerror=str(), filename=str()):
            return f"{error.strerror}: {error.filename}"
        case _:
            return str(error)


def _event_ids(error: BaseException) -> tuple[str, ...]:
    match error:
        case LimitExceededError():
            return error.event_ids
        case ActiveEventExistsError():
            return (error.event.id,)
        case EventHeldError() | ReviewRefusedError():
            return (str(error.args[0]),)
        case BreakGlassError():
            event_id = getattr(error, "event_id", None)
            return () if event_id is None else (str(event_id),)
        case _:
            return ()
