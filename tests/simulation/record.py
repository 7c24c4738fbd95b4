"""What is written down while a history is lived: its calls, its packets, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiobreakglass import BreakGlassEvent, Limits

if TYPE_CHECKING:
    import asyncio

    from tests.simulation.faults import Fate
    from tests.simulation.process import Process
    from tests.simulation.timeline import Sight


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"
    """Something that was acknowledged is not there."""
    STACKED = "stacked"
    """Two events of one pair are active, or an active one has no guard."""
    REVIVED = "revived"
    """Access that a check could deny already was brought back."""
    REOPENED = "reopened"
    """What had ended, or was deleted, changed."""
    UNTRUE = "untrue"
    """An answer that was true at no instant of its call."""
    LANDED = "landed"
    """A write that its caller was told had not happened."""
    MISDATED = "misdated"
    """A time in the record that cannot be."""
    UNRECORDED = "unrecorded"
    """A change without its entry, an entry without its change, or a history that does not fit."""
    EXCEEDED = "exceeded"
    """A rule of the door let more through than it allows, or counted something else."""
    FREED = "freed"
    """A hold that does not hold all rows, or a release that does not release them."""
    STUCK = "stuck"
    """Somebody was not served though nothing was in the way any more."""
    BROKEN = "broken"
    """An exception that nobody promised."""


class Apart(StrEnum):
    """What no client can prevent."""

    HELD_UP = "extension held up on its way"
    TWICE = "refused write delivered twice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    text: str


class Written(NamedTuple):
    """A row that a call changed."""

    key: str
    before: Sight
    after: Sight
    by_copy: bool
    """Whether by a packet that had arrived before."""


@dataclass(slots=True, eq=False)
class Call:
    """One call of a store's method, as its caller knows it."""

    number: int
    kind: str
    process: Process
    pair: tuple[str, str] = ("", "")
    subject: BreakGlassEvent | None = None
    """The event that it is about, as the caller gave it."""
    event_id: str = ""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Its other arguments."""
    sign: str = ""
    """What only this call can leave in an event, and in its history."""
    note: str | None = None
    """What else it leaves in the history."""
    began: int = 0
    """How many commits there were."""
    ended: int | None = None
    """The same at its end; None while it lasts, and if it never told how it ended."""
    invoked: int = 0
    """How much had happened in the world."""
    returned: int = 0
    began_at: float = 0.0
    ended_at: float = 0.0
    paused: float = 0.0
    """How long the service took between the parts of its batches."""
    nows: list[datetime] = field(default_factory=list)
    """What its clock told it."""
    value: Any = None
    error: BaseException | None = None
    written: list[Written] = field(default_factory=list)
    """What it changed."""
    requests: int = 0
    rules: list[Limits] = field(default_factory=list)
    """The limits that it was decided by, one for each decision."""
    confirmed_at: float | None = None
    """When the service last showed its process the entry that its own write has left."""
    under_way: int = 0
    """How many packets that do what it is for have yet to arrive for the first time."""
    tokens: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    """What the clock said when each write was first sent, and how disturbed its process was."""
    disturbances: int = 0
    """How often its process had been disturbed when it began."""
    task: asyncio.Task[Any] | None = None

    def __str__(self) -> str:
        about = self.event_id or "/".join(filter(None, self.pair))
        return f"#{self.number} {self.kind} {about}".rstrip()

    @property
    def is_refused(self) -> bool:
        """Whether its caller was told that it has not happened, and never will."""
        return (
            self.ended is not None
            and isinstance(self.error, Exception)
            and not getattr(self.error, "outcome_unknown", False)
        )


@dataclass(eq=False)
class Packet:
    """One attempt of a request on its way."""

    call: Call | None
    operation: str
    request: dict[str, Any]
    fate: Fate
    sent_at: float
    clock: datetime
    """What the sender's clock said."""
    rules: Limits | None = None
    """The limits by which its sender has decided on it."""
    is_copy: bool = False

    @cached_property
    def is_to_the_point(self) -> bool:
        """Whether it does what its call is for, and not something on the way.

        Only its own entry can tell: a mark pins what an earlier attempt of its call has left in
        the row.
        """
        if self.call is None or self.fate.refused:
            return False
        sign = f'"by":"{self.call.sign}"'
        return any(
            sign in action["Put"]["Item"].get("entry", {}).get("S", "")
            for action in self.request.get("TransactItems", ())
            if "Put" in action
        )


CALL: Final[ContextVar[Call | None]] = ContextVar("call", default=None)
"""The call that a task works for."""
