"""Hostile arguments, rows and answers cause only documented exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.hooks import AioHierarchicalEmitter
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStatus,
    BreakGlassStore,
    CorruptItemError,
    EventNotFoundError,
    EventPage,
    GovernedStore,
    InMemoryStore,
)
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.history import tip_of
from aiobreakglass._dynamodb.codec import encode_event, encode_guard
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._dynamodb.record import RECORD, encode_entry, encode_record
from aiobreakglass.testing import FakeClock, make_event
from tests.dynamodb.codec.strategies import ATTRIBUTES
from tests.dynamodb.example import first_entry
from tests.dynamodb.modelled import model_client
from tests.dynamodb.rows import Rows
from tests.faults.audit import audit
from tests.simulation.dynamodb.database import TABLE_NAME
from tests.strategies import events

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

pytestmark = pytest.mark.slow

LAYOUT = TableLayout()
NOW = FakeClock.START
EVENT = make_event(created_at=NOW, id="0123456789abcdef")
LAPSED = make_event(created_at=NOW - timedelta(hours=1), id="0123456789abcdef")
LATER_END = EVENT.expires_at + timedelta(minutes=5)
Call = Callable[[GovernedStore], Awaitable[object]]


TEXTS = st.one_of(
    st.text(st.characters(categories=None), max_size=20),
    st.sampled_from(["alice", "prod", "active", "closed", EVENT.id, "\ud800", "a" * 300]),
)
DATETIMES = st.one_of(
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.sampled_from(
        [
            NOW,
            datetime.min,  # noqa: DTZ901 - a naive value must be refused
            datetime.max,  # noqa: DTZ901
            datetime.min.replace(tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
            datetime.min.replace(tzinfo=timezone(timedelta(hours=23, minutes=59))),
            datetime.max.replace(tzinfo=timezone(-timedelta(hours=23, minutes=59))),
        ]
    ),
)
ANYTHING = st.one_of(
    TEXTS,
    DATETIMES,
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**301),
    st.floats(),
    st.complex_numbers(),
    st.binary(max_size=20),
    st.timedeltas(),
    st.dates(),
    st.sampled_from([*BreakGlassStatus, EVENT, BreakGlassEvent, object(), [], {}, date.max]),
    st.lists(TEXTS, max_size=2),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)
LIMITS = st.one_of(st.none(), st.integers(), st.just(10**400), ANYTHING)

_FIELDS = st.dictionaries(
    st.sampled_from(list(BreakGlassEvent.model_fields)) | st.text(max_size=5), ANYTHING, max_size=4
)


def battered(event: BreakGlassEvent, fields: dict[str, Any], missing: set[str]) -> BreakGlassEvent:
    """Return an unchecked event, which may even lack fields."""
    fields = {**event.model_dump(), **fields}
    event = BreakGlassEvent.model_construct(None, **fields)
    for name in missing:
        event.__dict__.pop(name, None)
    return event


HOSTILE_EVENTS = st.one_of(
    st.builds(
        battered,
        st.just(EVENT) | events(),
        _FIELDS,
        st.sets(st.sampled_from(list(BreakGlassEvent.model_fields)), max_size=2),
    ),
    st.builds(
        lambda event, fields: event.model_copy(update=fields), st.just(EVENT) | events(), _FIELDS
    ),
    ANYTHING,
)


def page_arguments() -> st.SearchStrategy[dict[str, Any]]:
    """Draw the optional arguments of a list."""
    return st.fixed_dictionaries(
        {},
        optional={
            "limit": LIMITS,
            "since": DATETIMES | ANYTHING,
            "until": DATETIMES | ANYTHING,
            "cursor": TEXTS | ANYTHING,
        },
    )


@st.composite
def hostile_calls(draw: st.DrawFn) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """Draw a method and its arguments."""
    method = draw(
        st.sampled_from([name for name in vars(BreakGlassStore) if not name.startswith("_")])
    )
    one, other = draw(TEXTS | ANYTHING), draw(TEXTS | ANYTHING)
    if method in ("create", "update"):
        return method, (draw(HOSTILE_EVENTS),), {}
    if method in ("get", "delete"):
        return method, (one,), {}
    if method.startswith("list_"):
        return method, (one,), draw(page_arguments())
    if method.startswith("count_"):
        return method, (one, draw(DATETIMES | ANYTHING)), {}
    if method == "close":
        return method, (one,), {"closed_by": other, "closed_reason": draw(TEXTS | ANYTHING)}
    return method, (one, other), {}


def encoded(event: BreakGlassEvent) -> Item:
    """Return the row of an event as its creation leaves it."""
    entry = first_entry(event)
    return encode_event(event, LAYOUT, write_id="w") | encode_record(tip_of(entry))


ROW = encoded(EVENT)
GUARD = encode_guard(EVENT, LAYOUT)
ENTRY_ROW = encode_entry(first_entry(EVENT), LAYOUT, write_id="w", ttl=None)


class FakeClient:
    """A client that always has these rows, and may refuse each write because of them."""

    class meta:  # noqa: N801 - a client's own name for it
        events = AioHierarchicalEmitter()

    def __init__(
        self,
        event: Item | None,
        guard: Item | None,
        entries: Sequence[Item] = (),
        *,
        refuses: bool = False,
    ) -> None:
        self._event = event
        self._guard = guard
        self._entries = entries
        self._refuses = refuses

    def _row(self, key: Item) -> Item | None:
        text = key["pk"]["S"]
        if text.startswith(LAYOUT.history_prefix):
            revision = int(text.rpartition("#")[2])
            row = self._entries[revision - 1] if revision <= len(self._entries) else None
        else:
            row = self._event if text.startswith(LAYOUT.event_prefix) else self._guard
        return None if row is None else row | key

    async def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803 - DynamoDB's
        row = self._row(Key)
        return {} if row is None else {"Item": row}

    async def batch_get_item(self, *, RequestItems: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - DynamoDB's
        ((table_name, batch),) = RequestItems.items()
        answers = [await self.get_item(Key=key) for key in batch["Keys"]]
        rows = [answer["Item"] for answer in answers if answer]
        return {"Responses": {table_name: rows}, "UnprocessedKeys": {}}

    async def query(
        self,
        *,
        KeyConditionExpression: str,  # noqa: N803 - DynamoDB's
        ExpressionAttributeNames: dict[str, str],  # noqa: N803 - DynamoDB's
        ExpressionAttributeValues: Item,  # noqa: N803 - DynamoDB's
        **_: Any,
    ) -> dict[str, Any]:
        # An index lists a row by the value that the row has.
        name = ExpressionAttributeNames[KeyConditionExpression.partition(" = ")[0]]
        listed = {name: ExpressionAttributeValues[":value"]}
        rows = [] if self._event is None else [self._event | listed]
        return {"Items": rows, "Count": len(rows)}

    async def transact_write_items(self, *, TransactItems: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - DynamoDB's
        if not self._refuses:
            return {}
        rows = [self._row(key_of(part)) for part in TransactItems]
        reasons = [{"Code": "None"} if row is None else refused(row) for row in rows]
        if all(reason["Code"] == "None" for reason in reasons):
            return {}
        error: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": ""},
            "CancellationReasons": reasons,
        }
        raise ClientError(error, "TransactWriteItems")


def key_of(part: dict[str, Any]) -> Item:
    (parameters,) = part.values()
    return {"pk": parameters.get("Key", parameters.get("Item"))["pk"]}


def refused(row: Item) -> dict[str, Any]:
    return {"Code": "ConditionalCheckFailed", "Item": row}


def dynamodb_store(
    event: Item | None = None,
    guard: Item | None = None,
    entries: Sequence[Item] = (),
    *,
    refuses: bool = False,
) -> AsyncDynamoDBStore:
    client: Any = FakeClient(event, guard, entries, refuses=refuses)
    return AsyncDynamoDBStore(client, "breakglass", clock=FakeClock())


STORES: dict[str, Callable[[], BreakGlassStore]] = {
    "DynamoDB": dynamodb_store,
    "memory": lambda: InMemoryStore(clock=FakeClock()),
}


@pytest.mark.parametrize("new_store", STORES.values(), ids=STORES.keys())
class TestArguments:
    @given(call=hostile_calls())
    def test_any_arguments_work_or_are_refused(
        self,
        new_store: Callable[[], BreakGlassStore],
        call: tuple[str, tuple[Any, ...], dict[str, Any]],
    ) -> None:
        """Any arguments work or raise what the contract documents."""
        method, positional, named = call

        async def scenario() -> None:
            store = new_store()
            await store.create(EVENT)
            with suppress(ValueError, TypeError, BreakGlassError):
                await getattr(store, method)(*positional, **named)

        asyncio.run(scenario())

    @given(event=HOSTILE_EVENTS, method=st.sampled_from(["create", "update"]))
    def test_stored_event_is_valid_whatever_was_passed(
        self, new_store: Callable[[], BreakGlassStore], event: Any, method: str
    ) -> None:
        """A store returns only valid events, whatever was passed."""

        async def scenario() -> None:
            store = new_store()
            with suppress(ValueError, TypeError, BreakGlassError):
                stored = await getattr(store, method)(event)
                assert BreakGlassEvent.model_validate(stored.model_dump()) == stored

        asyncio.run(scenario())


def having(row: Item, changes: Item) -> Item:
    """Return a row with changed attributes and the same key."""
    return {**row, **changes, "pk": row["pk"]}


_CHANGES: st.SearchStrategy[Item] = st.dictionaries(
    st.sampled_from(
        [*ROW, *BreakGlassEvent.model_fields, *RECORD, "ttl", "deleted_at", "event_id"]
    )
    | st.text(max_size=5),
    ATTRIBUTES | st.just({}),
    max_size=3,
)
EVENT_ROWS = st.one_of(
    st.none(),
    st.just(ROW),
    _CHANGES.map(lambda changes: having(ROW, changes)),
    _CHANGES.map(lambda changes: having(ROW, {**encoded(LAPSED), **changes})),
    _CHANGES.map(lambda changes: having({"pk": ROW["pk"]}, changes)),
)
_ENTRY_CHANGES: st.SearchStrategy[Item] = st.dictionaries(
    st.sampled_from([*ENTRY_ROW, "ttl"]), ATTRIBUTES | st.just({}), max_size=2
)
ENTRY_ROWS = st.lists(_ENTRY_CHANGES.map(lambda changes: having(ENTRY_ROW, changes)), max_size=3)
GUARD_ROWS = st.one_of(
    st.none(),
    st.just(GUARD),
    _CHANGES.map(lambda changes: having(GUARD, changes)),
    _CHANGES.map(lambda changes: having({"pk": GUARD["pk"]}, changes)),
)

CALLS: dict[str, Call] = {
    "create": lambda store: store.create(make_event(created_at=NOW)),
    "get": lambda store: store.get(EVENT.id),
    "update": lambda store: store.update(EVENT),
    "update to expired": lambda store: store.update(
        EVENT.model_copy(update={"status": BreakGlassStatus.EXPIRED})
    ),
    "close": lambda store: store.close(EVENT.id, closed_by="bob", closed_reason="done"),
    "delete": lambda store: store.delete(EVENT.id),
    "extend": lambda store: store.extend(
        EVENT.id, expires_at=LATER_END, extended_by="carol", reason="not done"
    ),
    "review": lambda store: store.review(
        EVENT.id, reviewed_by="rev", outcome="justified", comment="fine"
    ),
    "hold": lambda store: store.hold(EVENT.id, held_by="counsel", reason="case"),
    "release_hold": lambda store: store.release_hold(
        EVENT.id, released_by="counsel", reason="over"
    ),
    "list_awaiting_review": lambda store: store.list_awaiting_review(),
    "history": lambda store: store.history(EVENT.id),
    "list_by_invoker": lambda store: store.list_by_invoker("alice"),
    "list_by_status": lambda store: store.list_by_status("active"),
    "list_by_profile": lambda store: store.list_by_profile("prod", 1),
    "find_active": lambda store: store.find_active_by_invoker_and_profile("alice", "prod"),
    "count_by_invoker_since": lambda store: store.count_by_invoker_since("alice", NOW),
    "count_by_profile_since": lambda store: store.count_by_profile_since("prod", NOW),
    "get_last": lambda store: store.get_last_by_invoker_and_profile("alice", "prod"),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


class TestArbitraryRows:
    @calls
    @given(event=EVENT_ROWS, guard=GUARD_ROWS, entries=ENTRY_ROWS, refuses=st.booleans())
    def test_any_rows_work_or_are_refused(
        self,
        call: Call,
        event: Item | None,
        guard: Item | None,
        entries: list[Item],
        refuses: bool,
    ) -> None:
        """With any rows, a method works or raises what the contract documents."""

        async def scenario() -> None:
            with suppress(BreakGlassError):
                await call(dynamodb_store(event, guard, entries, refuses=refuses))

        asyncio.run(scenario())

    @given(event=EVENT_ROWS, guard=GUARD_ROWS)
    def test_rows_grant_access_only_by_their_own_content(
        self, event: Item | None, guard: Item | None
    ) -> None:
        """The check grants access only for an active event, and never denies a guarded one."""

        async def scenario() -> None:
            store = dynamodb_store(event, guard)
            try:
                found = await store.find_active_by_invoker_and_profile("alice", "prod")
            except CorruptItemError:
                return
            words = {} if event is None else event
            says_so = guard is not None and all(
                words.get(name) == {"S": value}
                for name, value in [
                    ("status", "active"),
                    ("invoker", "alice"),
                    ("profile", "prod"),
                ]
            )
            if found is not None:
                assert says_so
                assert found.is_active(NOW)
                assert found == await store.get(EVENT.id)
            elif says_so:
                assert not (await store.get(EVENT.id)).is_active(NOW)

        asyncio.run(scenario())


JUNK: dict[str, Item] = {
    "no attributes at all": {"pk": ROW["pk"]},
    "sets": having(ROW, {"justification": {"SS": ["a", "b"]}, "duration": {"NS": ["1", "2"]}}),
    "binary": having(ROW, {"justification": {"B": b"\xff"}, "reason_code": {"BS": [b"\0"]}}),
    "lists and maps": having(
        ROW, {"duration": {"L": [{"N": "1"}]}, "expires_at": {"M": {"a": {"NULL": True}}}}
    ),
    "huge numbers": having(ROW, {"duration": {"N": "9" * 38}}),
    "times that are none": having(
        ROW, {"created_at": {"S": "soon"}, "expires_at": {"S": "later"}}
    ),
    "an early time": having(ROW, {"created_at": {"S": "0000-00-00"}}),
    "another status": having(ROW, {"status": {"S": "paused"}}),
    "closed by nobody": having(ROW, {"status": {"S": "closed"}}),
    "another id": having(ROW, {"id": {"S": "f" * 16}}),
}
JUNK_GUARDS: dict[str, Item] = {
    "no event": {"pk": GUARD["pk"]},
    "a number": having(GUARD, {"event_id": {"N": "7"}}),
    "an id that is too long for a key": having(GUARD, {"event_id": {"S": "f" * 3000}}),
    "an id of nothing": having(GUARD, {"event_id": {"S": "f" * 16}}),
    "a set": having(GUARD, {"event_id": {"SS": [EVENT.id]}}),
}


@pytest.fixture
def client() -> DynamoDBClient:
    """Use our model, which needs no emulator."""
    return model_client()


@pytest.fixture
def table_name() -> str:
    return TABLE_NAME


@pytest.fixture
def store(client: DynamoDBClient) -> AsyncDynamoDBStore:
    return AsyncDynamoDBStore(client, TABLE_NAME, clock=FakeClock())


class TestJunk:
    @pytest.mark.parametrize("row", JUNK.values(), ids=JUNK.keys())
    async def test_junk_at_an_events_key_is_corrupt_and_deletable(
        self, store: AsyncDynamoDBStore, rows: Rows, row: Item
    ) -> None:
        """Every call that reads junk at the key of an event says so, and it can be deleted."""
        for item in (row, GUARD, *([ENTRY_ROW] if "revision" in row else [])):
            await rows.put(item)
        with pytest.raises(CorruptItemError, match=EVENT.id):
            await store.get(EVENT.id)
        for name, call in CALLS.items():
            if not name.startswith(("create", "delete")):
                await is_corrupt_or_right(call(store))
        assert await rows.event(EVENT.id) == row
        await store.delete(EVENT.id)
        with pytest.raises(EventNotFoundError):
            await store.get(EVENT.id)
        # A guard that it has left behind blocks nobody.
        event = await store.create(make_event(created_at=NOW))
        assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
        assert audit(await rows.all()) == []

    @pytest.mark.parametrize("guard", JUNK_GUARDS.values(), ids=JUNK_GUARDS.keys())
    async def test_junk_at_a_guards_key_is_corrupt_to_its_readers(
        self, store: AsyncDynamoDBStore, rows: Rows, guard: Item
    ) -> None:
        """Only calls that read junk at the key of a guard say so."""
        for item in (guard, ROW):
            await rows.put(item)
        assert await store.get(EVENT.id) == EVENT
        for name in ("find_active", "create"):
            await is_corrupt_or_right(CALLS[name](store))
        assert (await store.update(EVENT)).status is BreakGlassStatus.ACTIVE


async def is_corrupt_or_right(answer: Awaitable[object]) -> None:
    """Assert that a call reports the junk, or does not return it as the event."""
    try:
        answered = await answer
    except CorruptItemError as error:
        assert error.key in (ROW["pk"]["S"], GUARD["pk"]["S"])  # noqa: PT017 - one of two ends
    else:
        assert answered != EVENT
        assert EVENT not in answered if isinstance(answered, EventPage) else True
