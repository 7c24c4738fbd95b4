"""Implement `BreakGlassStore` on a DynamoDB table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.client import OPERATION_TIMEOUT, open_client
from aiobreakglass._aws.transport import Transport, TransportName
from aiobreakglass._contract import arguments
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._contract.lists import Lists, PageRequest
from aiobreakglass._contract.store import EventPage
from aiobreakglass._domain.change import Action
from aiobreakglass._domain.errors import EventNotFoundError
from aiobreakglass._domain.event import BreakGlassEvent, ReviewOutcome, utc_now
from aiobreakglass._domain.history import HistoryEntry
from aiobreakglass._domain.limits import LimitsFor, check_limits
from aiobreakglass._domain.oversight import decide_extend, decide_review
from aiobreakglass._domain.rules import decide_close, decide_create, decide_update
from aiobreakglass._dynamodb.checks import Checks
from aiobreakglass._dynamodb.commit import (
    ROUNDS,
    Commits,
    Decide,
    Decided,
    Rule,
    contributors,
    delete_rule,
    event_rule,
    overtaken,
)
from aiobreakglass._dynamodb.histories import Histories
from aiobreakglass._dynamodb.holds import Holds
from aiobreakglass._dynamodb.layout import Table, TableLayout, check_layout, check_table_name
from aiobreakglass._dynamodb.limiting import Limiting
from aiobreakglass._dynamodb.opening import Opening, opened_store
from aiobreakglass._dynamodb.queries import Queries
from aiobreakglass._dynamodb.reads import Reads
from aiobreakglass._dynamodb.recent import RecentRows
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from types_aiobotocore_dynamodb import DynamoDBClient


class StoreOptions(TypedDict, total=False):
    """The options of a store besides its client, its table and its transport."""

    layout: TableLayout | None
    retention: timedelta | None
    clock: Callable[[], datetime]
    cursor_key: bytes | None
    operation_timeout: timedelta
    limits: LimitsFor | None


class AsyncDynamoDBStore(Lists):
    """A `GovernedStore` in a DynamoDB table, for any number of tasks of one event loop.

    A store that is closed or belongs to another event loop raises `RuntimeError`.

    Args:
        client: An open aiobotocore client. The store borrows it and never closes it; `open` makes
            a client of its own.
        table_name: The name or the ARN of the table.
        layout: The names that the table uses; None means the default names.
        retention: How long a row is kept after `expires_at` before DynamoDB's TTL may delete it.
            If you import an old event, that may be soon. None keeps rows for ever. It also decides
            how long the histories of new events are kept.
        clock: Returns the current time as an aware datetime.
        cursor_key: Signs cursors, so that they can be given to browsers; at least 16 bytes.
        operation_timeout: The time limit of each call, including all its retries and pages.
        limits: The rules for opening and extending access, or a function that returns those of an
            event. Every writer of the table must have the same.
        transport: Sends the requests in the client's place. Only `open` makes one, for the client
            that it makes.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        layout: TableLayout | None = None,
        retention: timedelta | None = timedelta(days=365),
        clock: Callable[[], datetime] = utc_now,
        cursor_key: bytes | None = None,
        operation_timeout: timedelta = OPERATION_TIMEOUT,
        limits: LimitsFor | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(cursor_key)
        self._layout = TableLayout() if layout is None else check_layout(layout)
        table = Table(check_table_name(table_name, or_arn=True), self._layout)
        if retention is not None:
            arguments.check_interval("retention", retention, at_least=timedelta(0))
        self._clock = clock
        _check_timeout(operation_timeout)
        self._calls = Calls(client, table_name, operation_timeout, transport)
        self._reads = Reads(self._calls, table)
        self._checks = Checks(self._reads, self._now)
        self._recent_rows = RecentRows(self._layout)
        self._queries = Queries(self._calls, table, self._cursor_key, self._recent_rows)
        kept = Retention(retention)
        self._commits = Commits(self._calls, table, contributors(table, kept), kept, self._now)
        self._histories = Histories(self._reads, table)
        self._holds = Holds(self._calls, table, self._reads, self._histories, self._commits)
        self._limiting = Limiting(self._reads, table, check_limits(limits), self._now)

    @classmethod
    def open(
        cls,
        table_name: str,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        session: AioSession | None = None,
        config: AioConfig | None = None,
        transport: TransportName = "fast",
        **store_options: Unpack[StoreOptions],
    ) -> AbstractAsyncContextManager[Self]:
        """Open a store with a client of its own: `async with ... as store`, which closes both.

        Leaving the block waits for the calls under way, which `operation_timeout` bounds.

        The "fast" transport signs requests and posts them over the client's own connections, and
        leaves everything but a plain success to aiobotocore. If the client does anything unusual
        (a proxy, adaptive retries, tracing, handlers of yours, a table's ARN), the store logs that
        and uses the "standard" transport, which sends all calls through aiobotocore.

        Args:
            table_name: The name or the ARN of the table.
            region_name: The region; None means the session's.
            endpoint_url: The URL of DynamoDB, for an emulator or a VPC endpoint; None means the
                region's own.
            session: An aiobotocore session; None means a new one. Credentials come from the
                session, as for every AWS SDK
                (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).
            config: Overrides the store's own settings: standard retries with 3 attempts, 2 s to
                connect, 3 s to read, and a pool of 64 connections.
            transport: "fast" or "standard".
            store_options: The constructor's options: `layout`, `retention`, `clock`,
                `cursor_key`, `operation_timeout` and `limits`.

        Raises:
            ValueError: The region, the URL or another argument is missing or wrong.
            StoreUnavailableError: No credentials could be looked up, or no client could be made.
        """
        timeout = store_options.get("operation_timeout", OPERATION_TIMEOUT)
        _check_timeout(timeout)
        client = open_client(region_name, endpoint_url, session, config, timeout)
        opened = opened_store(
            lambda client, transport: cls(
                client, table_name, transport=transport, **store_options
            ),
            client,
            table_name,
            transport,
        )
        return Opening(cls, opened)

    @property
    def transport(self) -> TransportName:
        """The name of the next call's transport.

        Even if `open` was called with "fast", it is "standard" if the client does anything
        unusual, or while its calls are traced. With "fast" the client still sends the few requests
        that only it can send: those with binary attributes, or with another account's credentials.
        """
        return self._calls.transport

    async def create(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_new_event(event)
        by, note = arguments.check_by_and_note(by, note)
        with self._calls.operation() as operation:
            change = await self._commits.commit(
                operation,
                event.id,
                lambda _, now: decide_create(event, now, by, note),
                None,
                self._limiting.slots,
            )
        return change.stored

    async def get(self, event_id: str) -> BreakGlassEvent:
        event_id = arguments.check_event_id(event_id)
        with self._calls.operation() as operation:
            row = await self._reads.event_row(operation, event_id)
        if row is None:
            raise EventNotFoundError(event_id)
        self._recent_rows.remember(row.event, row.item)
        return row.event

    async def update(
        self, event: BreakGlassEvent, *, by: str | None = None, note: str | None = None
    ) -> BreakGlassEvent:
        event = arguments.check_event(event)
        by, note = arguments.check_by_and_note(by, note)
        return await self._change(
            event.id,
            lambda stored, now: decide_update(
                stored, event, now, by, note, limits=self._limiting.limits
            ),
            self._recent_rows.recall(event),
        )

    async def delete(
        self, event_id: str, *, by: str | None = None, note: str | None = None
    ) -> None:
        event_id = arguments.check_event_id(event_id)
        by, note = arguments.check_by_and_note(by, note)
        await self._commit(event_id, delete_rule(by, note))

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        invoker = arguments.check_name("invoker", invoker)
        profile = arguments.check_name("profile", profile)
        with self._calls.operation() as operation:
            return await self._checks.holder(operation, (invoker, profile))

    async def find_active_by_invoker_and_profiles(
        self, invoker: str, profiles: Iterable[str]
    ) -> dict[str, BreakGlassEvent]:
        invoker = arguments.check_name("invoker", invoker)
        names = arguments.check_profiles(profiles)
        with self._calls.operation() as operation:
            return await self._checks.holders(operation, invoker, names)

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        event_id, by, reason = arguments.check_closing(event_id, closed_by, closed_reason)
        return await self._change(
            event_id, lambda stored, now: decide_close(stored, by, reason, now)
        )

    async def extend(
        self, event_id: str, *, expires_at: datetime, extended_by: str, reason: str
    ) -> BreakGlassEvent:
        event_id, end, by, why = arguments.check_extension(
            event_id, expires_at, extended_by, reason
        )
        return await self._change(
            event_id,
            lambda stored, now: decide_extend(stored, end, by, why, now, self._limiting.limits),
        )

    async def review(
        self, event_id: str, *, reviewed_by: str, outcome: ReviewOutcome | str, comment: str
    ) -> BreakGlassEvent:
        event_id, by, decided, why = arguments.check_review(
            event_id, reviewed_by, outcome, comment
        )
        rule = event_rule(
            event_id, lambda stored, now: decide_review(stored, by, decided, why, now)
        )
        # Refuse a wrong clock before anything is sent.
        self._now()
        with self._calls.operation() as operation:
            for _ in range(ROUNDS):
                row = await self._reads.event_row(operation, event_id)
                change = await self._commits.commit(operation, event_id, rule, row)
                if change.action is not Action.EXPIRED:
                    return change.stored
                # The event had lapsed, and is marked now.
        raise overtaken(event_id)

    async def hold(self, event_id: str, *, held_by: str, reason: str) -> BreakGlassEvent:
        event_id, by, why = arguments.check_hold(event_id, "held_by", held_by, reason)
        # Refuse a wrong clock before anything is sent.
        self._now()
        return await self._holds.hold(event_id, by, why)

    async def release_hold(
        self, event_id: str, *, released_by: str, reason: str
    ) -> BreakGlassEvent:
        event_id, by, why = arguments.check_hold(event_id, "released_by", released_by, reason)
        self._now()
        return await self._holds.release(event_id, by, why)

    async def history(self, event_id: str) -> list[HistoryEntry]:
        event_id = arguments.check_event_id(event_id)
        with self._calls.operation() as operation:
            return await self._histories.entries(operation, event_id)

    async def _page(self, request: PageRequest) -> EventPage:
        return await self._queries.page(request)

    async def _count(self, listing: Listing, at_most: int | None) -> int:
        return await self._queries.count(listing, at_most)

    async def _newest(self, listing: Listing, profile: str) -> BreakGlassEvent | None:
        return await self._queries.newest(listing, profile)

    async def _change(
        self, event_id: str, decide: Decide, row: Row | None = None
    ) -> BreakGlassEvent:
        return (await self._commit(event_id, event_rule(event_id, decide), row)).stored

    async def _commit(self, event_id: str, rule: Rule[Decided], row: Row | None = None) -> Decided:
        """Commit the change that a rule decides on from a row; read the row if none is given."""
        # Refuse a wrong clock before anything is sent.
        self._now()
        with self._calls.operation() as operation:
            if row is None:
                row = await self._reads.event_row(operation, event_id)
            return await self._commits.commit(operation, event_id, rule, row)

    def _now(self) -> datetime:
        return arguments.check_instant("clock()", self._clock())


def _check_timeout(timeout: timedelta) -> None:
    """Raise `TypeError` or `ValueError` if no call could keep this time limit."""
    arguments.check_interval("operation_timeout", timeout, at_least=timedelta(milliseconds=1))
