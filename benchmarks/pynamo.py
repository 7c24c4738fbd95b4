"""aiopynamodb with its own models: PynamoDB for asyncio, on aiobotocore."""

from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from aiopynamodb.attributes import (
    Attribute,
    BooleanAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from aiopynamodb.connection import Connection
from aiopynamodb.constants import NUMBER, STRING
from aiopynamodb.exceptions import DoesNotExist
from aiopynamodb.indexes import AllProjection, GlobalSecondaryIndex
from aiopynamodb.models import Model
from aiopynamodb.transactions import TransactWrite

from benchmarks.contestants import NEW, REGION, TABLE, Contestant
from benchmarks.plain import TIMES, nanoseconds, rows_of, time_text
from benchmarks.rows import LAYOUT
from benchmarks.stub import PAGE, PROFILES


class TimeAttribute(Attribute[datetime]):
    """A time with six decimals and a Z; UTCDateTimeAttribute would write +0000."""

    attr_type = STRING

    def serialize(self, value: datetime) -> str:
        return time_text(value)

    def deserialize(self, value: str) -> datetime:
        return datetime.fromisoformat(value)


class DurationAttribute(Attribute[timedelta]):
    """A duration in nanoseconds."""

    attr_type = NUMBER

    def serialize(self, value: timedelta) -> str:
        return str(nanoseconds(value))

    def deserialize(self, value: str) -> timedelta:
        return timedelta(microseconds=int(value) // 1000)


class OfTable:
    """The common settings of the models."""

    table_name = TABLE
    region = REGION
    max_pool_connections = 64
    host: str


class ByInvoker(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call] # of aiopynamodb's
    class Meta:
        index_name = "invoker-index"
        projection = AllProjection()

    invoker = UnicodeAttribute(hash_key=True)
    created_at = TimeAttribute(range_key=True)


class GuardRow(Model):
    class Meta(OfTable):
        pass

    pk = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute()


class EventRow(Model):
    class Meta(OfTable):
        pass

    by_invoker = ByInvoker()

    pk = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute()
    invoker = UnicodeAttribute()
    profile = UnicodeAttribute()
    reason_code = UnicodeAttribute()
    justification = UnicodeAttribute()
    duration = DurationAttribute()
    status = UnicodeAttribute()
    created_at = TimeAttribute()
    updated_at = TimeAttribute()
    expires_at = TimeAttribute()
    closed_by = UnicodeAttribute(null=True)
    closed_reason = UnicodeAttribute(null=True)
    request_id = UnicodeAttribute(null=True)
    mfa_verified = BooleanAttribute()
    mfa_method = UnicodeAttribute(null=True)
    mfa_challenge_id = UnicodeAttribute(null=True)
    ended_at = TimeAttribute(null=True)
    write_id = UnicodeAttribute()
    ttl = NumberAttribute()
    revision = NumberAttribute()
    head = UnicodeAttribute()
    digest = UnicodeAttribute()
    recorded_at = UnicodeAttribute()
    awaiting_review = UnicodeAttribute(null=True)
    history_ttl = NumberAttribute()


class EntryRow(Model):
    class Meta(OfTable):
        pass

    pk = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute()
    revision = NumberAttribute()
    entry = UnicodeAttribute()
    hash = UnicodeAttribute()
    write_id = UnicodeAttribute()
    history_ttl = NumberAttribute()
    ttl = NumberAttribute()


async def pynamo(stack: AsyncExitStack, url: str) -> Contestant:
    connection = await stack.enter_async_context(
        Connection(region=REGION, host=url, max_pool_connections=64)
    )
    for model in (GuardRow, EventRow, EntryRow):
        model.Meta.host = url
        stack.push_async_callback(model.close_connection)
    is_new = EventRow.pk.does_not_exist()

    async def find_active(profile: str) -> EventRow | None:
        try:
            guard = await GuardRow.get(LAYOUT.guard_key("alice", profile), consistent_read=True)
            row = await EventRow.get(LAYOUT.event_key(guard.event_id), consistent_read=True)
        except DoesNotExist:
            return None
        return row if row.status == "active" else None

    async def find_active_of_50() -> object:
        found = {profile: await find_active(profile) for profile in PROFILES}
        return {profile: row for profile, row in found.items() if row is not None}

    async def list_by_invoker() -> object:
        found = EventRow.by_invoker.query("alice", scan_index_forward=False, limit=PAGE)
        return [row async for row in found]

    async def create() -> None:
        history, event, guard = rows_of(NEW)
        # The models write times and durations themselves.
        own = {name: getattr(NEW, name) for name in event.keys() & {*TIMES, "duration"}}
        rows = [EntryRow(**history), EventRow(**event | own), GuardRow(**guard)]
        async with TransactWrite(connection=connection) as transaction:
            for row in rows:
                transaction.save(row, condition=is_new, return_values="ALL_OLD")

    return Contestant(
        {
            "find_active": lambda: find_active("prod"),
            "find_active_of_50": find_active_of_50,
            "list_by_invoker": list_by_invoker,
            "create": create,
        },
        has_models=False,
    )
