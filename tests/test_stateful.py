"""Two stores and a model of the contract run the same operations and must agree."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aiobotocore.session import get_session
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from aiobreakglass import (
    DEFAULT_QUERY_LIMIT,
    MAX_DURATION,
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    EventPage,
    GovernedStore,
    HistoryEntry,
    ImmutableFieldError,
    InMemoryStore,
    InvalidStateTransitionError,
    LimitExceededError,
    Limits,
    Quota,
    ReviewOutcome,
    ReviewRefusedError,
    verify_history,
)
from aiobreakglass._aws.transaction import Item
from aiobreakglass._contract.iteration import ListMethod
from aiobreakglass._domain.history import tip_of
from aiobreakglass._dynamodb.codec import decode_event
from aiobreakglass._dynamodb.record import decode_entry, decode_record
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.rows import LAYOUT, Rows
from tests.dynamodb.tables import new_table
from tests.dynamodb.waiting import PATIENT
from tests.faults.audit import audit

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-central-1"
MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# No call comes near this: a call that a busy machine cuts off has an unknown outcome.
LONG_ENOUGH = timedelta(minutes=5)

ACTIVE, CLOSED, EXPIRED = BreakGlassStatus
REVIEW = ("reviewed_by", "reviewed_at", "review_outcome", "review_comment")
FINAL = ("justified", "unjustified")

_Result = TypeVar("_Result")


class Told(NamedTuple):
    """What a history tells about a change."""

    action: str
    by: str | None
    note: str | None
    event: BreakGlassEvent | None


class Opening(NamedTuple):
    """A use of the door, which counts from the instant at which it was opened."""

    at: datetime
    event: BreakGlassEvent


class Model:
    """The contract over a plain dict: slow, obvious, and without the stores' code."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.events: dict[str, BreakGlassEvent] = {}
        self.deleted: set[str] = set()
        self.limits = Limits()
        self.openings: list[Opening] = []
        self.settled: set[str] = set()
        """The events that were finally reviewed, deleted since or not."""
        self.histories: defaultdict[str, list[Told]] = defaultdict(list)

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        now = self.clock()
        if event.status is ACTIVE:
            if event.expires_at <= now:
                raise ValueError("expires_at")
            for field in ("created_at", "updated_at"):
                if getattr(event, field) - now > 5 * MINUTE:
                    raise ValueError(field)
        if event.id in self.events or event.id in self.deleted:
            raise EventExistsError(event.id)
        if event.status is ACTIVE:
            self.refuse_length(event)
            for other in self.events.values():
                if self.is_in_the_way(other, event.invoker, event.profile):
                    raise ActiveEventExistsError(other)
            self.refuse_use(event, now)
            for other in list(self.events.values()):
                if other.status is ACTIVE and pair_of(other) == pair_of(event):
                    self.mark_expired(other)
            self.openings.append(Opening(now, event))
        self.events[event.id] = event
        action = "created" if event.status is ACTIVE else "imported"
        self.histories[event.id].append(Told(action, by or event.invoker, note, event))
        return event

    async def get(self, event_id: str) -> BreakGlassEvent:
        if event_id not in self.events:
            raise EventNotFoundError(event_id)
        return self.events[event_id]

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        if event.expires_at - event.created_at > MAX_DURATION:
            raise ValueError("expires_at")
        stored = await self.get(event.id)
        has_lapsed = stored.expires_at <= self.clock()
        if stored.status is not ACTIVE:
            raise InvalidStateTransitionError(event.id, stored.status, event.status)
        if event.updated_at != stored.updated_at:
            raise ConcurrentModificationError(event.id, stored)
        if event.status is EXPIRED and not has_lapsed:
            raise InvalidStateTransitionError(event.id, ACTIVE, EXPIRED)
        if event.status is not EXPIRED and has_lapsed:
            self.mark_expired(stored)
            raise InvalidStateTransitionError(event.id, EXPIRED, event.status)
        is_extension = event.status is ACTIVE and event.expires_at > stored.expires_at
        if is_extension and stored.expires_at - self.clock() < timedelta(seconds=1):
            raise InvalidStateTransitionError(event.id, ACTIVE, ACTIVE)
        may_change = {"status", "closed_by", "closed_reason"}
        may_change |= {"request_id", "mfa_verified", "mfa_method", "mfa_challenge_id"}
        # The store sets it, whatever the caller says.
        may_change.add("ended_at")
        if event.status is ACTIVE:
            may_change.add("expires_at")
        for field in BreakGlassEvent.model_fields:
            if field not in may_change and getattr(event, field) != getattr(stored, field):
                raise ImmutableFieldError(event.id, field)
        if event.expires_at != stored.expires_at and event.expires_at < self.clock():
            raise ValueError("expires_at")
        if is_extension:
            self.refuse_extension(stored, event)
        if event.status is CLOSED:
            by, note = by or event.closed_by, note or event.closed_reason
        action = "updated" if event.status is ACTIVE else event.status.value
        return self.put_next(stored, event, "extended" if is_extension else action, by, note)

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        stored = await self.get(event_id)
        if stored.status is not ACTIVE:
            raise InvalidStateTransitionError(event_id, stored.status, CLOSED)
        if stored.expires_at <= self.clock():
            self.mark_expired(stored)
            raise InvalidStateTransitionError(event_id, EXPIRED, CLOSED)
        ending = {"status": CLOSED, "closed_by": closed_by, "closed_reason": closed_reason}
        closed = stored.model_copy(update=ending)
        return self.put_next(stored, closed, "closed", closed_by, closed_reason)

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        stored = self.events.get(event_id)
        if stored is not None:
            if stored.held_by is not None:
                raise EventHeldError(stored)
            del self.events[event_id]
            self.deleted.add(event_id)
            self.histories[event_id].append(Told("deleted", by, note, None))

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        stored = await self.get(event_id)
        left = stored.expires_at - self.clock()
        if stored.status is not ACTIVE:
            raise InvalidStateTransitionError(event_id, stored.status, ACTIVE)
        if left <= timedelta(0):
            self.mark_expired(stored)
            raise InvalidStateTransitionError(event_id, EXPIRED, ACTIVE)
        if left < timedelta(seconds=1):
            raise InvalidStateTransitionError(event_id, ACTIVE, ACTIVE)
        if not stored.expires_at < expires_at <= stored.created_at + MAX_DURATION:
            raise ValueError("expires_at")
        event = stored.model_copy(update={"expires_at": expires_at})
        self.refuse_extension(stored, event)
        return self.put_next(stored, event, "extended", extended_by, reason)

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        stored = await self.get(event_id)
        if reviewed_by.casefold() == stored.invoker.casefold():
            raise ReviewRefusedError(stored, "own")
        if stored.status is ACTIVE:
            if stored.expires_at > self.clock():
                raise ReviewRefusedError(stored, "active")
            stored = self.mark_expired(stored)
        if stored.review_outcome in FINAL:
            raise ReviewRefusedError(stored, "final")
        review = {
            "reviewed_by": reviewed_by,
            "reviewed_at": self.clock(),
            "review_outcome": ReviewOutcome(outcome),
            "review_comment": comment,
        }
        if outcome in FINAL:
            self.settled.add(event_id)
        return self.add(stored, review, "reviewed", reviewed_by, comment)

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        stored = await self.get(event_id)
        if stored.held_by is not None:
            raise EventHeldError(stored)
        hold = {"held_by": held_by, "held_at": self.clock(), "held_reason": reason}
        return self.add(stored, hold, "held", held_by, reason)

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        stored = await self.get(event_id)
        if stored.held_by is None:
            if stored.status is ACTIVE and stored.expires_at <= self.clock():
                self.mark_expired(stored)
            raise InvalidStateTransitionError(event_id, stored.status, stored.status)
        free = dict.fromkeys(("held_by", "held_at", "held_reason"))
        return self.add(stored, free, "released", released_by, reason)

    def awaiting_review(self, outcome: str | None) -> list[BreakGlassEvent]:
        return [
            event
            for event in self.events.values()
            if event.review_outcome == outcome
            and (event.status is not ACTIVE or event.expires_at <= self.clock())
        ]

    def refuse_length(self, event: BreakGlassEvent) -> None:
        longest = self.limits.max_duration
        if longest is not None and event.expires_at - event.created_at > longest:
            raise LimitExceededError("max_duration", "")

    def refuse_extension(self, stored: BreakGlassEvent, event: BreakGlassEvent) -> None:
        self.refuse_length(event)
        most = self.limits.max_extensions
        if most is not None and stored.extensions >= most:
            raise LimitExceededError("max_extensions", "", None, [stored.id])

    def refuse_use(self, event: BreakGlassEvent, now: datetime) -> None:
        """Raise for the first limit that others' uses of it have used up."""
        limits = self.limits
        cooldown = None if limits.cooldown is None else Quota(1, limits.cooldown)
        rules = [
            ("cooldown", cooldown, pair_of),
            ("per_invoker", limits.per_invoker, lambda each: each.invoker),
            ("per_profile", limits.per_profile, lambda each: each.profile),
        ]
        for limit, quota, key in rules:
            if quota is not None:
                uses = [
                    opening
                    for opening in self.openings
                    if key(opening.event) == key(event) and opening.at + quota.within > now
                ]
                if len(uses) >= quota.uses:
                    retry_at = uses[0].at + quota.within
                    raise LimitExceededError(limit, "", retry_at, ids_of(uses))
        debts = [
            opening
            for opening in self.openings
            if opening.event.invoker == event.invoker and opening.event.id not in self.settled
        ]
        if limits.max_unreviewed is not None and len(debts) >= limits.max_unreviewed:
            raise LimitExceededError("max_unreviewed", "", None, ids_of(debts))

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        holders = [
            event for event in self.events.values() if self.is_in_the_way(event, invoker, profile)
        ]
        return holders[0] if holders else None

    def created_within(
        self, field: str, value: str, since: datetime | None = None, until: datetime | None = None
    ) -> list[BreakGlassEvent]:
        return [
            event
            for event in self.events.values()
            if getattr(event, field) == value
            and (since is None or event.created_at >= since)
            and (until is None or event.created_at < until)
        ]

    def is_in_the_way(self, event: BreakGlassEvent, invoker: str, profile: str) -> bool:
        grants = event.status is ACTIVE and event.expires_at > self.clock()
        return grants and pair_of(event) == (invoker, profile)

    def add(
        self, stored: BreakGlassEvent, added: dict[str, Any], action: str, by: str, note: str
    ) -> BreakGlassEvent:
        """Add to an event what changes nothing that happened."""
        moved = {"updated_at": max(self.clock(), stored.updated_at + MICROSECOND)}
        after = stored.model_copy(update=added | moved)
        self.events[after.id] = after
        self.histories[after.id].append(Told(action, by, note, after))
        return after

    def mark_expired(self, event: BreakGlassEvent) -> BreakGlassEvent:
        return self.put_next(event, event.model_copy(update={"status": EXPIRED}), "expired")

    def put_next(
        self,
        stored: BreakGlassEvent,
        event: BreakGlassEvent,
        action: str,
        by: str | None = None,
        note: str | None = None,
    ) -> BreakGlassEvent:
        now = self.clock()
        ended_at = {
            ACTIVE: None,
            CLOSED: min(max(now, stored.created_at), stored.expires_at),
            EXPIRED: stored.expires_at,
        }
        after = event.model_copy(
            update={
                "updated_at": max(now, stored.updated_at + MICROSECOND),
                "ended_at": ended_at[event.status],
                "extensions": stored.extensions + (action == "extended"),
            }
        )
        self.events[event.id] = after
        self.histories[event.id].append(Told(action, by, note, after))
        return after


def told_by(entries: list[HistoryEntry]) -> list[Told]:
    return [Told(entry.action, entry.by, entry.note, entry.event) for entry in entries]


def ids_of(openings: list[Opening]) -> list[str]:
    return [opening.event.id for opening in openings]


def pair_of(event: BreakGlassEvent) -> tuple[str, str]:
    return event.invoker, event.profile


async def outcome(call: Awaitable[_Result]) -> _Result | Exception:
    try:
        return await call
    except (BreakGlassError, ValueError) as error:
        return error


def told(error: BreakGlassError) -> dict[str, Any]:
    """Return the attributes of an error without its message."""
    return {name: value for name, value in vars(error).items() if name != "reason"}


def assert_as_expected(actual: object, expected: object) -> None:
    if isinstance(expected, BreakGlassError):
        assert isinstance(actual, BreakGlassError), f"{actual!r} instead of {expected!r}"
        assert (type(actual), told(actual)) == (type(expected), told(expected))
    elif isinstance(expected, ValueError):
        assert isinstance(actual, ValueError), f"{actual!r} instead of {expected!r}"
        assert str(expected) in str(actual)
    else:
        assert actual == expected


# Few pairs, so that they collide; the last two are the same text if joined by a #.
PAIRS = [("alice", "prod"), ("alice", "staging"), ("bob", "prod"), ("a#b", "c"), ("a", "b#c")]

pairs = st.sampled_from(PAIRS[:1]) | st.sampled_from(PAIRS)
# Real clocks are set back, too.
steps = st.sampled_from([MICROSECOND, MINUTE, HOUR, 9 * HOUR, -MICROSECOND, -HOUR, -9 * HOUR])
durations = st.sampled_from([MICROSECOND, MINUTE, HOUR, MAX_DURATION])
# How far `created_at` is ahead of the store's clock.
leads = st.sampled_from(
    [timedelta(0)] * 4
    + [-MICROSECOND, -HOUR / 2, -HOUR, -9 * HOUR, 5 * MINUTE, 5 * MINUTE + MICROSECOND]
)
endings = st.sampled_from([CLOSED, EXPIRED])
statuses = st.sampled_from(BreakGlassStatus)
amendments = st.sampled_from(
    [
        {},
        {"request_id": "c0ffee"},
        {"request_id": None},
        {"mfa_verified": True, "mfa_method": "totp", "mfa_challenge_id": "challenge/7"},
        {"mfa_verified": False, "mfa_method": None, "mfa_challenge_id": None},
    ]
)
# Changes to fields that never change, and an id that does not exist.
FORGERIES: list[dict[str, Any]] = [
    {"invoker": "mallory"},
    {"profile": "elsewhere"},
    {"reason_code": "other"},
    {"justification": "Something else altogether has happened"},
    {"duration": 3 * HOUR},
    {"labels": {"team": "mallory"}},
    {"extensions": 7},
    {"held_by": "mallory", "held_at": FakeClock.START, "held_reason": "None of yours"},
    {"id": "f" * 16},
]
reviewers = st.sampled_from(["alice", "ALICE", "bob", "carol"])
doors = st.sampled_from(
    [
        Limits(),
        Limits(max_duration=HOUR, max_extensions=1),
        Limits(per_invoker=Quota(2, HOUR), per_profile=Quota(2, 2 * HOUR), cooldown=MINUTE),
        Limits(max_unreviewed=1, cooldown=HOUR),
        Limits(max_unreviewed=2, per_invoker=Quota(3, MINUTE), max_extensions=0),
    ]
)
edges = st.sampled_from([timedelta(0), -MICROSECOND, MICROSECOND])
limits = st.sampled_from([1, 2, 3, None])
people = st.sampled_from([{}, {"by": "carol"}, {"by": "dave", "note": "As agreed"}])


class Life(RuleBasedStateMachine):
    """Each rule does one thing to the model and to both stores, and compares the results."""

    runner: asyncio.Runner
    client: DynamoDBClient

    copies: Bundle[BreakGlassEvent] = Bundle("copies")
    """Events as they were read at some time: the newest version, or a stale one."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.model = Model(self.clock)
        self.table_name = self.runner.run(new_table(self.client))
        self.rows = Rows(self.client, self.table_name)
        self.memory = InMemoryStore(clock=self.clock, limits=lambda _: self.model.limits)
        self.stores: list[GovernedStore] = [
            self.memory,
            AsyncDynamoDBStore(
                self.client,
                self.table_name,
                clock=self.clock,
                operation_timeout=LONG_ENOUGH,
                limits=lambda _: self.model.limits,
            ),
        ]
        self.ids = 0

    def teardown(self) -> None:
        self.runner.run(self.client.delete_table(TableName=self.table_name))

    @initialize(limits=doors)
    def set_the_rules(self, limits: Limits) -> None:
        self.model.limits = limits

    # Opening

    @rule(target=copies, pair=pairs, lead=leads, duration=durations)
    def open(self, pair: tuple[str, str], lead: timedelta, duration: timedelta) -> Any:
        event = self.new_event(pair, created_at=self.clock() + lead, duration=duration)
        return self.agree(lambda store: store.create(event)) or multiple()

    @rule(target=copies, pair=pairs, person=people)
    def open_for_an_hour(self, pair: tuple[str, str], person: dict[str, str]) -> Any:
        event = self.new_event(pair, created_at=self.clock(), labels={"number": str(self.ids)})
        return self.agree(lambda store: store.create(event, **person)) or multiple()

    @rule(target=copies, copy=copies, edge=edges)
    def open_as_another_expires(self, copy: BreakGlassEvent, edge: timedelta) -> Any:
        self.set_clock(copy.expires_at + edge)
        return self.open_for_an_hour(pair_of(copy), {})

    @rule(target=copies, pair=pairs, lead=leads)
    def open_with_a_version_of_its_own(self, pair: tuple[str, str], lead: timedelta) -> Any:
        event = self.new_event(
            pair, created_at=self.clock() - HOUR / 2, updated_at=self.clock() + abs(lead)
        )
        return self.agree(lambda store: store.create(event)) or multiple()

    @rule(target=copies, pair=pairs, lead=leads, status=endings)
    def import_an_old_one(
        self, pair: tuple[str, str], lead: timedelta, status: BreakGlassStatus
    ) -> Any:
        event = self.new_event(pair, created_at=self.clock() + lead, status=status)
        return self.agree(lambda store: store.create(event)) or multiple()

    @rule(copy=copies, pair=pairs, status=statuses)
    def open_under_a_taken_id(
        self, copy: BreakGlassEvent, pair: tuple[str, str], status: BreakGlassStatus
    ) -> None:
        event = self.new_event(pair, id=copy.id, created_at=self.clock(), status=status)
        self.agree(lambda store: store.create(event))

    # Changing

    @rule(target=copies, copy=copies, changes=amendments, person=people)
    def amend(self, copy: BreakGlassEvent, changes: dict[str, Any], person: dict[str, str]) -> Any:
        return self.update(copy, person, **changes)

    @rule(target=copies, copy=copies, lifetime=durations | st.just(MAX_DURATION + MICROSECOND))
    def move_expiry(self, copy: BreakGlassEvent, lifetime: timedelta) -> Any:
        return self.update(copy, expires_at=copy.created_at + lifetime)

    @rule(pair=pairs, copy=copies)
    def rewrite(self, pair: tuple[str, str], copy: BreakGlassEvent) -> None:
        # A store compares evidence only if the stored event is active.
        holder = self.run(self.model.find_active_by_invoker_and_profile(*pair))
        copy = holder or copy
        for changes in FORGERIES:
            self.update(copy, **changes)
        self.update(copy, created_at=copy.created_at - MICROSECOND)

    @rule(target=copies, copy=copies, status=statuses, rewritten=st.booleans())
    def end_or_reopen(
        self, copy: BreakGlassEvent, status: BreakGlassStatus, rewritten: bool
    ) -> Any:
        changes: dict[str, Any] = {"status": status, "closed_by": None, "closed_reason": None}
        if status is CLOSED:
            changes |= {"closed_by": "bob", "closed_reason": "Over"}
        if status is ACTIVE:
            # No event is active and reviewed, so the argument alone would be refused.
            changes |= dict.fromkeys(REVIEW)
        if rewritten:
            changes["expires_at"] = copy.expires_at - (copy.expires_at - copy.created_at) / 2
        return self.update(copy, **changes)

    @rule(target=copies, copy=copies)
    def close(self, copy: BreakGlassEvent) -> Any:
        closed = self.agree(
            lambda store: store.close(copy.id, closed_by="bob", closed_reason="Over")
        )
        return closed or multiple()

    @rule(copy=copies, person=people)
    def delete(self, copy: BreakGlassEvent, person: dict[str, str]) -> None:
        self.agree(lambda store: store.delete(copy.id, **person))

    # Time

    @rule(step=steps)
    def let_time_pass(self, step: timedelta) -> None:
        self.set_clock(self.clock() + step)

    @rule(copy=copies, edge=edges)
    def wait_for_expiry(self, copy: BreakGlassEvent, edge: timedelta) -> None:
        self.set_clock(copy.expires_at + edge)

    @rule(opening=st.integers(0, 20), edge=edges)
    def wait_for_the_end_of_a_use(self, opening: int, edge: timedelta) -> None:
        windows = [quota.within for quota in quotas_of(self.model.limits)]
        if windows and self.model.openings:
            at = self.model.openings[opening % len(self.model.openings)].at
            self.set_clock(at + windows[opening % len(windows)] + edge)

    # What follows

    @rule(target=copies, copy=copies, more=durations, edge=edges)
    def extend(self, copy: BreakGlassEvent, more: timedelta, edge: timedelta) -> Any:
        end = min(copy.expires_at + more, copy.created_at + MAX_DURATION + edge)
        extended = self.agree(
            lambda store: store.extend(copy.id, expires_at=end, extended_by="carol", reason="More")
        )
        return extended or multiple()

    @rule(target=copies, copy=copies, reviewer=reviewers, outcome=st.sampled_from(ReviewOutcome))
    def review(self, copy: BreakGlassEvent, reviewer: str, outcome: ReviewOutcome) -> Any:
        reviewed = self.agree(
            lambda store: store.review(
                copy.id, reviewed_by=reviewer, outcome=outcome, comment="Seen"
            )
        )
        return reviewed or multiple()

    @rule(target=copies, copy=copies)
    def hold(self, copy: BreakGlassEvent) -> Any:
        held = self.agree(lambda store: store.hold(copy.id, held_by="counsel", reason="A case"))
        return held or multiple()

    @rule(target=copies, copy=copies)
    def release(self, copy: BreakGlassEvent) -> Any:
        released = self.agree(
            lambda store: store.release_hold(copy.id, released_by="counsel", reason="Over")
        )
        return released or multiple()

    # Asking

    @rule(outcome=st.sampled_from([None, "needs_follow_up"]), limit=limits)
    def ask_what_waits_for_review(self, outcome: str | None, limit: int | None) -> None:
        expected = self.model.awaiting_review(outcome)
        oldest_first = sorted(event.created_at for event in expected)
        for store in self.stores:
            pages = self.run(all_waiting(store, outcome, limit))
            listed = [event for page in pages for event in page]
            assert {event.id: event for event in listed} == {each.id: each for each in expected}
            assert [event.created_at for event in listed] == oldest_first

    @rule(target=copies, copy=copies)
    def get(self, copy: BreakGlassEvent) -> Any:
        return self.agree(lambda store: store.get(copy.id)) or multiple()

    @rule(pair=pairs)
    def find_active(self, pair: tuple[str, str]) -> None:
        self.agree(lambda store: store.find_active_by_invoker_and_profile(*pair))

    @rule(
        pair=pairs,
        status=statuses,
        limit=limits,
        since=copies,
        until=st.none() | copies,
        edge=edges,
    )
    def ask_for_history(
        self,
        pair: tuple[str, str],
        status: BreakGlassStatus,
        limit: int | None,
        since: BreakGlassEvent,
        until: BreakGlassEvent | None,
        edge: timedelta,
    ) -> None:
        begin = since.created_at + edge
        end = None if until is None else until.created_at
        for store in self.stores:
            self.assert_history(store, (*pair, status), limit)
            self.assert_history(store, (*pair, status), limit, begin, end)
            counts = (
                self.run(store.count_by_invoker_since(pair[0], begin)),
                self.run(store.count_by_profile_since(pair[1], begin)),
            )
            assert counts == (
                len(self.model.created_within("invoker", pair[0], begin)),
                len(self.model.created_within("profile", pair[1], begin)),
            )

    @rule(copy=copies)
    def ask_who_did_what(self, copy: BreakGlassEvent) -> None:
        for store in self.stores:
            assert told_by(self.run(store.history(copy.id))) == self.model.histories[copy.id]
            unknown = self.run(outcome(store.history("f" * 16)))
            assert isinstance(unknown, EventNotFoundError)

    @rule(pair=pairs)
    def get_last(self, pair: tuple[str, str]) -> None:
        of_pair = [event for event in self.model.events.values() if pair_of(event) == pair]
        newest = max((event.created_at for event in of_pair), default=None)
        candidates = [event for event in of_pair if event.created_at == newest]
        for store in self.stores:
            last = self.run(store.get_last_by_invoker_and_profile(*pair))
            assert last in candidates if candidates else last is None

    # Invariants

    @invariant()
    def stores_match_the_model(self) -> None:
        """Each store has exactly the model's events, in their newest versions."""
        for event_id in self.model.events.keys() | self.model.deleted:
            expected = self.run(outcome(self.model.get(event_id)))
            assert_as_expected(self.run(outcome(self.memory.get(event_id))), expected)
        for pair in PAIRS:
            holder = self.run(self.model.find_active_by_invoker_and_profile(*pair))
            found = self.run(self.memory.find_active_by_invoker_and_profile(*pair))
            assert found == holder
        rows = self.run(self.rows.all())
        events = [decode_event(row, LAYOUT) for row in rows if "status" in row]
        assert {event.id: event for event in events} == self.model.events
        assert {row["pk"]["S"] for row in rows if "deleted_at" in row} == {
            LAYOUT.event_key(event_id) for event_id in self.model.deleted
        }
        assert audit(rows) == []
        self.assert_histories(rows)

    @invariant()
    def held_rows_are_kept(self) -> None:
        """No row of a held event has a time to live, and every other row of an event has one."""
        for row in self.run(self.rows.all()):
            key = row["pk"]["S"]
            if key.startswith((LAYOUT.event_prefix, LAYOUT.history_prefix)):
                event = self.model.events.get(key.split("#")[1])
                is_held = event is not None and event.held_by is not None
                assert ("ttl" in row) is not is_held, row

    # Parts of the rules

    def set_clock(self, instant: datetime) -> None:
        """Set the clock, and not back if uses are counted: which of them did is not promised."""
        if self.model.limits.slots:
            instant = max(instant, self.clock())
        self.clock.set(instant)

    def assert_histories(self, rows: list[Item]) -> None:
        """Assert that every chain is whole and has exactly the changes that happened."""
        by_key = {row["pk"]["S"]: row for row in rows}
        in_table: defaultdict[str, list[HistoryEntry]] = defaultdict(list)
        for key in sorted(key for key in by_key if key.startswith(LAYOUT.history_prefix)):
            entry = decode_entry(by_key[key], key)
            assert key == LAYOUT.history_key(entry.event_id, entry.revision)
            in_table[entry.event_id].append(entry)
        assert in_table.keys() == self.model.histories.keys()
        for event_id, history in self.model.histories.items():
            event = self.model.events.get(event_id)
            for entries in (in_table[event_id], self.run(self.memory.history(event_id))):
                assert told_by(entries) == history
                assert verify_history(entries, event, at=self.clock()) == []
            newest = tip_of(in_table[event_id][-1])
            assert decode_record(by_key[LAYOUT.event_key(event_id)]) == newest

    def assert_history(
        self,
        store: BreakGlassStore,
        values: tuple[str, str, BreakGlassStatus],
        limit: int | None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        lists: dict[str, ListMethod[Any]] = {
            "invoker": store.list_by_invoker,
            "profile": store.list_by_profile,
            "status": store.list_by_status,
        }
        for (field, list_method), value in zip(lists.items(), values, strict=True):
            pages = self.run(all_pages(list_method, value, limit, since, until))
            expected = self.model.created_within(field, value, since, until)
            assert_pages_of(pages, expected, limit)

    def new_event(self, pair: tuple[str, str], **fields: Any) -> BreakGlassEvent:
        self.ids += 1
        invoker, profile = pair
        return make_event(
            **{"id": f"{self.ids:016x}", "invoker": invoker, "profile": profile, **fields}
        )

    def update(
        self, copy: BreakGlassEvent, person: dict[str, str] | None = None, **changes: Any
    ) -> Any:
        event = copy.model_copy(update=changes)
        return self.agree(lambda store: store.update(event, **person or {})) or multiple()

    def agree(
        self, call: Callable[[Model | GovernedStore], Awaitable[BreakGlassEvent | None]]
    ) -> BreakGlassEvent | None:
        """Make a call on the model and on each store; return its result, or None if refused."""
        expected = self.run(outcome(call(self.model)))
        in_memory, in_table = (self.run(outcome(call(store))) for store in self.stores)
        assert_as_expected(in_memory, expected)
        assert_as_expected(in_table, expected)
        if isinstance(expected, Exception):
            assert (type(in_memory), str(in_memory)) == (type(in_table), str(in_table))
            return None
        return expected

    def run(self, call: Awaitable[_Result]) -> _Result:
        return self.runner.run(awaited(call))


async def awaited(call: Awaitable[_Result]) -> _Result:
    return await call


def quotas_of(limits: Limits) -> list[Quota]:
    cooldown = None if limits.cooldown is None else Quota(1, limits.cooldown)
    return [quota for quota in (cooldown, limits.per_invoker, limits.per_profile) if quota]


async def all_waiting(
    store: GovernedStore, outcome: str | None, limit: int | None
) -> list[EventPage]:
    pages = [await store.list_awaiting_review(limit, outcome=outcome)]
    while (cursor := pages[-1].next_cursor) is not None:
        page = await store.list_awaiting_review(limit, outcome=outcome, cursor=cursor)
        pages.append(page)
    return pages


async def all_pages(
    list_method: ListMethod[Any],
    key: str,
    limit: int | None,
    since: datetime | None,
    until: datetime | None,
) -> list[EventPage]:
    pages = [await list_method(key, limit, since=since, until=until)]
    while (cursor := pages[-1].next_cursor) is not None:
        pages.append(await list_method(key, limit, since=since, until=until, cursor=cursor))
    return pages


def assert_pages_of(
    pages: list[EventPage], expected: list[BreakGlassEvent], limit: int | None
) -> None:
    listed = [event for page in pages for event in page]
    assert {event.id: event for event in listed} == {event.id: event for event in expected}
    # The contract promises no order among events of the same instant.
    newest_first = sorted((event.created_at for event in expected), reverse=True)
    assert [event.created_at for event in listed] == newest_first
    size = DEFAULT_QUERY_LIMIT if limit is None else limit
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1] or len(pages) == 1


def test_both_stores_behave_as_the_model(
    dynamodb_local_endpoint: str,
) -> None:
    """For any sequence of operations, both stores behave as the model does."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        client = runner.run(
            stack.enter_async_context(
                get_session().create_client(
                    "dynamodb",
                    region_name=REGION,
                    endpoint_url=dynamodb_local_endpoint,
                    config=PATIENT,
                )
            )
        )
        machine = type("LifeThere", (Life,), {"runner": runner, "client": client})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(max_examples=10, stateful_step_count=25),
            )
        finally:
            runner.run(stack.aclose())
