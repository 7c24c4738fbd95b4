"""The contract on DynamoDB: reads, decides, writes, and tries again; nothing clever."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from aiobreakglass import _arguments as arguments
from aiobreakglass._cursor import check_cursor_key
from aiobreakglass._dynamodb import outcomes
from aiobreakglass._dynamodb.calls import Calls, Operation
from aiobreakglass._dynamodb.client import OPERATION_TIMEOUT, open_client
from aiobreakglass._dynamodb.codec import Item, decode_event
from aiobreakglass._dynamodb.layout import Table, TableLayout, check_layout, check_table_name
from aiobreakglass._dynamodb.queries import Queries
from aiobreakglass._dynamodb.rows import EVENT, GUARD, Rows
from aiobreakglass._errors import (
    ActiveEventExistsError,
    BreakGlassError,
    EventExistsError,
    EventNotFoundError,
    InvalidStateTransitionError,
    StoreUnavailableError,
)
from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus, utc_now
from aiobreakglass._rules import check_creatable, decide_close, decide_expiry, decide_update
from aiobreakglass._store import BreakGlassStore, EventPage, OnCorrupt

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession
    from types_aiobotocore_dynamodb import DynamoDBClient

_Decision = Callable[[BreakGlassEvent], BreakGlassEvent]

_ROUNDS: Final = 16
"""How often an operation starts over because others changed its rows in between."""


class AsyncDynamoDBStore(BreakGlassStore):
    """A `BreakGlassStore` in a DynamoDB table, for any number of tasks of one event loop.

    `client` is an open aiobotocore client, borrowed and never closed; `open` makes one of its own.
    `retention` is how long a row is kept after `expires_at` before DynamoDB's TTL may delete it,
    which for the import of an old event may be soon; None keeps it for ever. `clock` returns the
    present as an aware datetime. `cursor_key`, at least 16 bytes, signs cursors, for handing them
    to browsers. `operation_timeout` bounds each call as a whole, with all its retries and pages.

    A store that is closed or belongs to another event loop raises `RuntimeError`.
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
    ) -> None:
        self._layout = TableLayout() if layout is None else check_layout(layout)
        table = Table(check_table_name(table_name, or_arn=True), self._layout)
        if retention is not None:
            arguments.check_interval("retention", retention, at_least=timedelta(0))
        self._clock = clock
        _check_operation_timeout(operation_timeout)
        self._calls = Calls(client, table_name, operation_timeout)
        self._rows = Rows(self._calls, table, retention)
        self._queries = Queries(self._calls, table, check_cursor_key(cursor_key))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        table_name: str,
        *,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        session: AioSession | None = None,
        config: AioConfig | None = None,
        transport: Literal["fast", "standard"] = "fast",
        **store_options: Any,
    ) -> AsyncIterator[Self]:
        """Open a store with a client of its own, and close it at the end of `async with`.

        Credentials, and the region where none is given, come from the session as for every AWS SDK
        (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html). `config`
        goes over what is set here: standard retries with 3 attempts, 2 s to connect, 3 s to read,
        a pool of 64 connections. `store_options` are the constructor's. Leaving waits for the
        calls under way, which `operation_timeout` bounds.

        The "fast" transport signs and posts requests on the client's own connections, and leaves
        to aiobotocore whatever is no plain success; where the client does anything unusual (a
        proxy, adaptive retries, tracing, handlers of yours, a table's ARN) a line in the log says
        so, and it is not used. With "standard" all calls are aiobotocore's.
        """
        check_table_name(table_name, or_arn=True)
        timeout = store_options.get("operation_timeout", OPERATION_TIMEOUT)
        _check_operation_timeout(timeout)
        if transport not in ("fast", "standard"):
            raise ValueError('transport must be "fast" or "standard"')
        async with open_client(region_name, endpoint_url, session, config, timeout) as opened:
            store = cls(opened.client, table_name, **store_options)
            if transport == "fast" and (fast := await opened.transport(table_name)):
                store._calls.carry = fast.call
            try:
                yield store
            finally:
                await store._calls.close()

    async def create(self, event: BreakGlassEvent) -> BreakGlassEvent:
        event = arguments.check_event(event)
        now = self._now()
        check_creatable(event, now)
        item = self._rows.encode(event)
        with self._calls.operation() as operation:
            for _ in range(_ROUNDS):
                refusal = await self._rows.put_new(operation, event, item)
                if refusal is None:
                    return event
                if EVENT in refusal.rows:
                    if self._rows.is_same_write(refusal.rows[EVENT], item):
                        return event
                    raise _unless_unknown(operation, EventExistsError(event.id))
                operation.outcome_unknown |= refusal.may_still_land
                holder_id = self._rows.guarded_event_id(refusal.rows[GUARD] or {})
                holder = await self._rows.read(operation, holder_id)
                if self._rows.is_same_write(holder, item):
                    return event
                await self._make_way(operation, event, holder_id, holder, now)
            raise _too_contended(operation, event.id)

    async def get(self, event_id: str) -> BreakGlassEvent:
        event_id = arguments.check_event_id(event_id)
        with self._calls.operation() as operation:
            item = await self._rows.read(operation, event_id)
        if item is None:
            raise EventNotFoundError(event_id)
        return decode_event(item, self._layout)

    async def update(self, event: BreakGlassEvent) -> BreakGlassEvent:
        event = arguments.check_event(event)
        now = self._now()
        return await self._change(event.id, now, lambda stored: decide_update(stored, event, now))

    async def delete(self, event_id: str) -> None:
        event_id = arguments.check_event_id(event_id)
        now = self._now()
        with self._calls.operation() as operation:
            for _ in range(_ROUNDS):
                # Never decoded: a row that is no event can be deleted as well.
                stored = await self._rows.read(operation, event_id)
                if stored is None:
                    return
                if await self._rows.bury(operation, event_id, stored, now) is None:
                    return
            raise _too_contended(operation, event_id)

    async def list_by_invoker(
        self,
        invoker: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("invoker", invoker, since, until)
        return await self._queries.page(listing, limit, cursor, on_corrupt)

    async def list_by_status(
        self,
        status: BreakGlassStatus | str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("status", status, since, until)
        return await self._queries.page(listing, limit, cursor, on_corrupt)

    async def list_by_profile(
        self,
        profile: str,
        limit: int | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        on_corrupt: OnCorrupt = "raise",
    ) -> EventPage:
        listing = arguments.check_listing("profile", profile, since, until)
        return await self._queries.page(listing, limit, cursor, on_corrupt)

    async def find_active_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        invoker = arguments.check_name("invoker", invoker)
        profile = arguments.check_name("profile", profile)
        with self._calls.operation() as operation:
            event_id = await self._rows.read_guard(operation, invoker, profile)
            if event_id is None:
                return None
            item = await self._rows.read(operation, event_id)
        event = outcomes.active_event(item, invoker, profile, self._layout)
        # Judged now that the reads are done: access may have run out while they were tried.
        return event if event is not None and event.is_active(self._now()) else None

    async def count_by_invoker_since(
        self, invoker: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        since = arguments.check_instant("since", since)
        return await self._queries.count(
            arguments.check_listing("invoker", invoker, since), at_most
        )

    async def count_by_profile_since(
        self, profile: str, since: datetime, *, at_most: int | None = None
    ) -> int:
        since = arguments.check_instant("since", since)
        return await self._queries.count(
            arguments.check_listing("profile", profile, since), at_most
        )

    async def get_last_by_invoker_and_profile(
        self, invoker: str, profile: str
    ) -> BreakGlassEvent | None:
        listing = arguments.check_listing("invoker", invoker)
        profile = arguments.check_name("profile", profile)
        return await self._queries.newest(listing, profile)

    async def close(self, event_id: str, *, closed_by: str, closed_reason: str) -> BreakGlassEvent:
        event_id = arguments.check_event_id(event_id)
        closed_by = arguments.check_name("closed_by", closed_by)
        closed_reason = arguments.check_reason("closed_reason", closed_reason)
        now = self._now()
        return await self._change(
            event_id, now, lambda stored: decide_close(stored, closed_by, closed_reason, now)
        )

    async def _change(self, event_id: str, now: datetime, decide: _Decision) -> BreakGlassEvent:
        """Read an event and put what is decided in its place, unless somebody was faster."""
        with self._calls.operation() as operation:
            stored_item = await self._rows.read(operation, event_id)
            for _ in range(_ROUNDS):
                if stored_item is None:
                    raise EventNotFoundError(event_id)
                stored = decode_event(stored_item, self._layout)
                try:
                    changed = decide(stored)
                except InvalidStateTransitionError:
                    if stored.is_lapsed(now):
                        # Without the mark it is over all the same, and so is this answer true.
                        with suppress(StoreUnavailableError):
                            await self._mark_expired(operation, stored, stored_item, now)
                    raise
                item = self._rows.encode(changed, stored_item)
                refusal = await self._rows.replace(operation, event_id, stored_item, item)
                if refusal is None or self._rows.is_same_write(refusal.rows[EVENT], item):
                    return changed
                # DynamoDB hands back the row that beat us; no row means it is gone.
                stored_item = outcomes.event_row(refusal.rows[EVENT])
            raise _too_contended(operation, event_id)

    async def _mark_expired(
        self, operation: Operation, stored: BreakGlassEvent, stored_item: Item, now: datetime
    ) -> None:
        # Refused means that somebody else changed it first: then it needs no mark of ours.
        item = self._rows.encode(decide_expiry(stored, now), stored_item)
        await self._rows.replace(operation, stored.id, stored_item, item)

    async def _make_way(
        self,
        operation: Operation,
        event: BreakGlassEvent,
        holder_id: str,
        holder_item: Item | None,
        now: datetime,
    ) -> None:
        """End what holds the pair's guard without right, or raise that it holds it rightly."""
        holder = outcomes.active_event(holder_item, event.invoker, event.profile, self._layout)
        if holder is not None and holder.is_active(now):
            raise _unless_unknown(operation, ActiveEventExistsError(holder))
        try:
            if holder is None or holder_item is None:
                await self._rows.reap_guard(operation, event.invoker, event.profile, holder_id)
            else:
                await self._mark_expired(operation, holder, holder_item, now)
        except StoreUnavailableError as error:
            # What got lost was done to others' rows: it says nothing of this event.
            raise StoreUnavailableError(error.message, operation.outcome_unknown) from error

    def _now(self) -> datetime:
        return arguments.check_instant("clock()", self._clock())


def _check_operation_timeout(timeout: timedelta) -> None:
    arguments.check_interval("operation_timeout", timeout, at_least=timedelta(milliseconds=1))


def _unless_unknown(operation: Operation, refusal: BreakGlassError) -> BreakGlassError:
    """Return a refusal of a create, unless an attempt got lost, which it then does not answer.

    What refused it may be our own event, changed since; or may go, and let the attempt succeed.
    """
    if not operation.outcome_unknown:
        return refusal
    unknown = StoreUnavailableError(
        f"an attempt got no answer, and the next one: {refusal}", outcome_unknown=True
    )
    unknown.__cause__ = refusal
    return unknown


def _too_contended(operation: Operation, event_id: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"event {event_id}: others changed its rows {_ROUNDS} times in a row; try again",
        outcome_unknown=operation.outcome_unknown,
    )
