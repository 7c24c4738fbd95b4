# pyright: strict
"""A user's program that uses every public name; pyright and mypy must know all its types."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import pytest

import aiobreakglass
import aiobreakglass.telemetry
import aiobreakglass.testing
from aiobreakglass import (
    DEFAULT_QUERY_LIMIT,
    MAX_DURATION,
    MAX_QUERY_LIMIT,
    Action,
    ActiveEventExistsError,
    Adoption,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    EventPage,
    ExpiryError,
    Finding,
    GovernedStore,
    Hardening,
    HistoryEntry,
    ImmutableFieldError,
    InMemoryStore,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    Limits,
    Quota,
    ReasonCode,
    ReviewOutcome,
    ReviewRefusedError,
    ScanProgress,
    StoreUnavailableError,
    TableError,
    TableLayout,
    TableRole,
    access_at,
    adopt_table,
    alarms_template,
    audit_table,
    cloudformation_template,
    create_table,
    expire_due,
    export_events,
    harden_table,
    iam_policy,
    iterate,
    run_expiry,
    run_reminders,
    terraform_configuration,
    verify_anchor,
    verify_history,
    verify_table,
)
from aiobreakglass.telemetry import ObservedStore, rule_of
from aiobreakglass.testing import (
    FakeClock,
    FaultyStore,
    GovernedStoreContract,
    LimitedStoreContract,
    StoreContract,
    make_event,
    moto_server,
)

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class Audited(InMemoryStore):
    """A store of the user's own."""

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        return await super().close(event_id, closed_by=closed_by, closed_reason=closed_reason)


class ContractOfFaulty(StoreContract):
    """The contract that every store keeps; it is not run again here."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> BreakGlassStore:
        return FaultyStore(InMemoryStore(clock=clock), seed=1)


class ContractOfAudited(LimitedStoreContract, GovernedStoreContract):
    """The contract for `Audited`; it is not run again here."""

    @pytest.fixture
    def store(self, clock: FakeClock) -> GovernedStore:
        return Audited(clock=clock)

    @pytest.fixture
    def limited(self, clock: FakeClock) -> Callable[[Limits | None], GovernedStore]:
        return lambda limits: Audited(clock=clock, limits=limits)


async def test_event_life_cycle_is_fully_typed(
    breakglass_store: InMemoryStore, breakglass_clock: FakeClock
) -> None:
    store: BreakGlassStore = FaultyStore(breakglass_store, seed=1, longest_delay=timedelta(0))
    now = assert_type(breakglass_clock(), datetime)
    event = await store.create(make_event(created_at=now, duration=MAX_DURATION))
    assert_type(event, BreakGlassEvent)
    assert_type(event.reason_code, ReasonCode)
    assert assert_type(event.status, BreakGlassStatus) is BreakGlassStatus.ACTIVE
    assert assert_type(event.remaining(now), timedelta) == MAX_DURATION
    assert_type(event.closed_by, str | None)

    held = await store.find_active_by_invoker_and_profile("alice", "prod")
    assert assert_type(held, BreakGlassEvent | None) == event
    of_profiles = await store.find_active_by_invoker_and_profiles("alice", ["prod", "dev"])
    assert of_profiles["prod"] == event

    page = assert_type(await store.list_by_invoker("alice", MAX_QUERY_LIMIT), EventPage)
    assert len(page) < DEFAULT_QUERY_LIMIT
    assert_type(page[0], BreakGlassEvent)
    assert_type(page[:1], tuple[BreakGlassEvent, ...])
    assert_type(page.corrupt, tuple[CorruptItemError, ...])
    async for listed in iterate(store.list_by_status, "active", since=now):
        assert assert_type(listed, BreakGlassEvent) == event

    assert assert_type(await store.count_by_profile_since("prod", now), int) == 1
    closed = await store.close(event.id, closed_by="bob", closed_reason="It answers again")
    assert closed.status.is_terminal
    assert await expire_due(store, now=now) == []


async def test_history_is_fully_typed(breakglass_clock: FakeClock) -> None:
    store: GovernedStore = Audited(clock=breakglass_clock)
    opened = make_event(created_at=breakglass_clock(), labels={"ticket": "OPS-7"})
    event = await store.create(opened, by="carol", note="The runbook says so")
    assert assert_type(event.labels, Mapping[str, str])["ticket"] == "OPS-7"
    assert assert_type(event.review_outcome, ReviewOutcome | None) is None
    history = assert_type(await store.history(event.id), list[HistoryEntry])
    assert assert_type(history[0].action, Action) is Action.CREATED
    assert assert_type(history[0].event, BreakGlassEvent | None) == event
    assert assert_type(verify_history(history, event), list[Finding]) == []


async def test_past_is_fully_typed(breakglass_clock: FakeClock) -> None:
    store = Audited(clock=breakglass_clock)
    event = await store.create(make_event(created_at=breakglass_clock()))
    held = assert_type(
        await access_at(store, event.created_at, profile="prod"), list[BreakGlassEvent]
    )
    assert held == [event]


def rules(event: BreakGlassEvent) -> Limits:
    """Return the limits of one event; those of a store may also be a value."""
    if event.profile != "prod":
        return Limits()
    return Limits(
        max_duration=timedelta(hours=2),
        cooldown=timedelta(hours=1),
        per_invoker=Quota(3, timedelta(days=1)),
        per_profile=Quota(uses=9, within=timedelta(days=1)),
        max_extensions=2,
        max_unreviewed=2,
        reason_codes=[ReasonCode.INCIDENT, "recovery"],
        require_mfa=False,
        require_request_id=False,
        require_labels={"ticket"},
    )


async def test_governance_is_fully_typed(breakglass_clock: FakeClock) -> None:
    clock = breakglass_clock
    store: GovernedStore = Audited(clock=clock, limits=rules)
    opened = make_event(created_at=clock(), labels={"ticket": "OPS-7"})
    event = await store.create(opened)
    end = event.expires_at + timedelta(minutes=30)
    longer = await store.extend(
        event.id, expires_at=end, extended_by="carol", reason="The replica is behind"
    )
    assert assert_type(longer.extensions, int) == 1
    await store.close(event.id, closed_by="bob", closed_reason="It answers again")

    waiting = assert_type(await store.list_awaiting_review(10, since=opened.created_at), EventPage)
    assert [each.id for each in waiting] == [event.id]
    await store.review(
        event.id, reviewed_by="carol", outcome="needs_follow_up", comment="Why so long?"
    )
    pages = iterate(store.list_awaiting_review, outcome=ReviewOutcome.NEEDS_FOLLOW_UP)
    assert [assert_type(each, BreakGlassEvent).id async for each in pages] == [event.id]
    reviewed = await store.review(
        event.id, reviewed_by="carol", outcome=ReviewOutcome.JUSTIFIED, comment="I see"
    )
    assert assert_type(reviewed.reviewed_at, datetime | None) == clock()

    held = await store.hold(event.id, held_by="dave", reason="The regulator asks")
    assert assert_type(held.held_by, str | None) == "dave"
    free = await store.release_hold(event.id, released_by="dave", reason="It is settled")
    assert free.held_at is None


async def refused(store: GovernedStore, event: BreakGlassEvent) -> datetime | str | None:
    """Catch each refusal of a rule, and read its attributes."""
    try:
        await store.create(event)
        await store.delete(event.id)
    except LimitExceededError as error:
        assert_type(error.event_ids, tuple[str, ...])
        return assert_type(error.retry_at, datetime | None) or assert_type(error.limit, str)
    except EventHeldError as error:
        return assert_type(error.event, BreakGlassEvent).held_by
    except ReviewRefusedError as error:
        return assert_type(error.reason, str) + assert_type(error.event, BreakGlassEvent).id
    return None


async def evidence(client: DynamoDBClient, folder: Path) -> list[Finding]:
    """Adopt, export and verify a whole table."""

    async def show(progress: ScanProgress) -> None:
        assert_type(progress.rows, int)

    assert_type(await adopt_table(client, "events"), Adoption)
    manifest = assert_type(await export_events(client, "events", folder), Path)
    findings = await audit_table(client, "events", on_progress=show)
    return findings + await verify_anchor(client, "events", manifest)


async def repaired(client: DynamoDBClient) -> list[Finding]:
    """Verify a table, repair it, and return what is left."""

    async def show(finding: Finding) -> None:
        assert_type(finding.fix, str)

    assert_type(await verify_table(client, "events"), list[Finding])
    hardening = await harden_table(client, "events", on_repaired=show, dry_run=True)
    return [*assert_type(hardening, Hardening).left]


def texts(layout: TableLayout, arn: str) -> list[str]:
    """Write the table, its alarms and its policies as text."""
    return [
        cloudformation_template("events", layout=layout, stream="KEYS_ONLY"),
        terraform_configuration("events", layout=layout),
        alarms_template("events", layout=layout),
        *(iam_policy(role, arn, layout=layout) for role in TableRole),
    ]


async def opened(client: DynamoDBClient, layout: TableLayout) -> AsyncIterator[BreakGlassStore]:
    """Create the table, then open one store with the caller's client and one with its own."""
    await create_table(client, "events", layout=layout)
    yield AsyncDynamoDBStore(client, "events", layout=layout)
    with moto_server() as endpoint:
        async with AsyncDynamoDBStore.open("events", endpoint_url=endpoint) as store:
            yield assert_type(store, AsyncDynamoDBStore)


async def observed(store: AsyncDynamoDBStore) -> str | None:
    """Report the calls of a store, and name the rule of a refusal."""
    wrapper = ObservedStore(store, collection="events", names=True)
    governed: GovernedStore = wrapper
    try:
        await governed.create(make_event())
        assert_type(await wrapper.measure_review_debt(at_most=10), int)
    except BreakGlassError as error:
        return assert_type(rule_of(error), str | None)
    return None


async def worker(
    store: BreakGlassStore, tell: Callable[[BreakGlassEvent], Awaitable[None]]
) -> None:
    try:
        await run_expiry(store, interval=timedelta(minutes=1), on_expired=tell)
    except ExpiryError as error:
        for event in error.expired:
            assert_type(event, BreakGlassEvent)


async def reminder_worker(store: GovernedStore) -> None:
    async def tell(event: BreakGlassEvent, interval: int) -> None:
        assert_type(event.id, str)
        assert_type(interval, int)

    await run_reminders(store, tell, after=timedelta(hours=72))


async def answered(store: BreakGlassStore, event: BreakGlassEvent) -> datetime | str | bool | None:
    """Catch each exception, and read its attributes."""
    try:
        await store.update(event)
    except ActiveEventExistsError as error:
        return assert_type(error.event, BreakGlassEvent).expires_at
    except ConcurrentModificationError as error:
        return error.current.updated_at if error.current else None
    except InvalidStateTransitionError as error:
        return assert_type(error.current_status, BreakGlassStatus)
    except (EventExistsError, EventNotFoundError) as error:
        return assert_type(error.event_id, str)
    except ItemTooLargeError as error:
        return assert_type(error.key, str)
    except ImmutableFieldError as error:
        return assert_type(error.field, str)
    except CorruptItemError as error:
        return assert_type(error.reason, str)
    except (StoreUnavailableError, TableError, BreakGlassError) as error:
        return assert_type(error.outcome_unknown, bool)
    return datetime.now(UTC)


def test_every_public_name_is_used() -> None:
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    modules = (aiobreakglass, aiobreakglass.telemetry, aiobreakglass.testing)
    assert {name for module in modules for name in module.__all__} <= used
