"""The requests that the library sends, by its own builders, about few rows, so that they meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, Final

from aiobreakglass import BreakGlassError, BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item, Part, transaction
from aiobreakglass._contract.arguments import Listing
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.history import recorded
from aiobreakglass._domain.rules import (
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart, stale_guard_parts
from aiobreakglass._dynamodb.parts.history import AdoptionPart, HistoryPart
from aiobreakglass._dynamodb.retention import Retention
from aiobreakglass._dynamodb.row import Row, event_row
from aiobreakglass.testing import FakeClock, make_event
from tests.simulation.dynamodb.cases import TABLE_NAME, Case

TABLE: Final = Table(TABLE_NAME, TableLayout())
EVENT_IDS: Final = [f"{number:016x}" for number in range(1, 9)]
INVOKERS: Final = ("alice", "bob#1", "zoë \U0001f511")
PROFILES: Final = ("prod", "stage#2", "überall")

_MINUTE: Final = timedelta(minutes=1)
_RETENTION: Final = Retention(timedelta(days=365))
_CONTRIBUTORS: Final = (
    EventPart(TABLE, _RETENTION),
    HistoryPart(TABLE),
    AdoptionPart(TABLE),
    GuardPart(TABLE),
)


class OurRequests:
    """Makes requests by a seed; what it has seen of the rows serves to change them."""

    def __init__(self, random: Random, rows: Mapping[str, Item]) -> None:
        self._random = random
        self._rows = rows
        self._seen: list[Row] = []
        """Rows as they were at some time: writes against them may come too late."""
        self._sent: list[Case] = []

    def next(self) -> Case:
        """Return the next request."""
        makers: list[tuple[Callable[[], Case | None], int]] = [
            (self._create, 6),
            (self._change, 12),
            (self._reap, 2),
            (self._repeat, 1),
            (self._get, 3),
            (self._get_many, 2),
            (self._list, 6),
            (self._count, 2),
            (self._newest, 2),
            (self._clear_up, 8),
        ]
        functions, weights = zip(*makers, strict=True)
        while True:
            (make,) = self._random.choices(functions, weights)
            case: Case | None = make()
            if case is not None:
                self._sent.append(case)
                return case

    def token(self) -> str:
        """Return a fresh token."""
        return f"{self._random.getrandbits(128):032x}"

    def used_token(self) -> str | None:
        """Return the token of something that was sent a while ago."""
        tokens = [
            case.request["ClientRequestToken"]
            for case in self._sent[-20:-1]
            if "ClientRequestToken" in case.request
        ]
        return self._random.choice(tokens) if tokens else None

    def _write(self, label: str, parts: list[Part]) -> Case:
        return Case(label, "TransactWriteItems", transaction(parts, self.token()))

    def _attempt(self, label: str, change: Change, row: Row | None) -> Case:
        event_id = change.stored.id if row is None else row.event_id
        tip = None if row is None else row.tip
        record = recorded(event_id, change, tip, _RETENTION.of_history)
        attempt = Attempt(change, row, record, self.token())
        parts = [part for each in _CONTRIBUTORS for part in each.parts(attempt)]
        alone = self._random.random() < 0.1
        return self._write(label, parts[:1] if alone else parts)

    def _create(self) -> Case:
        random = self._random
        created_at = FakeClock.START + random.randrange(600) * _MINUTE / 10
        event = make_event(
            id=random.choice(EVENT_IDS),
            invoker=random.choice(INVOKERS),
            profile=random.choice(PROFILES),
            created_at=created_at,
            status=random.choices(("active", "closed"), (5, 1))[0],
            mfa_verified=random.random() < 0.5,
            **({"request_id": self.token()} if random.random() < 0.5 else {}),
        )
        return self._attempt("create", decide_create(event, created_at), None)

    def _change(self) -> Case | None:
        row = self._some_row()
        if row is None:
            return None
        with suppress(BreakGlassError, ValueError):
            change = self._some_change(row.event)
            return self._attempt(change.action.value, change, row)
        return None

    def _some_change(self, event: BreakGlassEvent) -> Change:
        now = event.updated_at + self._random.randrange(1, 20) * _MINUTE / 10
        match self._random.randrange(5):
            case 0:
                return decide_close(event, "bob", "The database answers again", now)
            case 1:
                return decide_expiry(event, event.expires_at)
            case 2:
                return decide_delete(event, now)
            case 3:
                changed = {"request_id": self.token()}
                return decide_update(event, event.model_copy(update=changed), now)
        longer = {"expires_at": event.expires_at + self._random.randrange(1, 20) * _MINUTE}
        return decide_update(event, event.model_copy(update=longer), now)

    def _some_row(self) -> Row | None:
        if self._seen and self._random.random() < 0.3:
            return self._random.choice(self._seen)
        layout = TABLE.layout
        events = [
            row
            for event_id in EVENT_IDS
            if (row := event_row(self._rows.get(layout.event_key(event_id)), layout)) is not None
            and "invoker" in row.item
        ]
        if not events:
            return None
        row = self._random.choice(events)
        self._seen = [*self._seen[-40:], row]
        return row

    def _pair(self) -> tuple[str, str]:
        return self._random.choice(INVOKERS), self._random.choice(PROFILES)

    def _reap(self) -> Case:
        parts = stale_guard_parts(TABLE, *self._pair(), self._random.choice(EVENT_IDS))
        return self._write("reap", parts)

    def _repeat(self) -> Case | None:
        """Send something once more, under its own token."""
        writes = [case for case in self._sent[-20:] if case.operation == "TransactWriteItems"]
        if not writes:
            return None
        case = self._random.choice(writes)
        return Case("repetition", case.operation, case.request)

    def _clear_up(self) -> Case:
        """Remove a row as another writer may, so that its key is free again."""
        key = {"pk": {"S": self._key()}}
        request = {"TableName": TABLE_NAME, "Key": key, "ReturnValues": "ALL_OLD"}
        return Case("another writer", "DeleteItem", request)

    def _key(self) -> str:
        layout = TABLE.layout
        match self._random.randrange(5):
            case 0 | 1:
                return layout.event_key(self._random.choice(EVENT_IDS))
            case 2 | 3:
                return layout.guard_key(*self._pair())
        revision = self._random.choice((1, 1, 1, 2, 3))
        return layout.history_key(self._random.choice(EVENT_IDS), revision)

    def _get(self) -> Case:
        return Case("get", "GetItem", requests.get_row(TABLE, self._key()))

    def _get_many(self) -> Case:
        keys = dict.fromkeys(self._key() for _ in range(self._random.randint(1, 12)))
        return Case("get many", "BatchGetItem", requests.get_rows(TABLE, keys))

    def _listing(self, field: str) -> Listing:
        random = self._random
        values = {
            "invoker": INVOKERS,
            "profile": PROFILES,
            "status": ("active", "closed", "expired"),
        }
        bounds = [
            FakeClock.START + random.randrange(600) * _MINUTE / 10
            if random.random() < 0.4
            else None
            for _ in range(2)
        ]
        if None not in bounds:
            bounds.sort(key=str)
        return Listing(field, random.choice(values[field]), *bounds)

    def _list(self) -> Case:
        listing = self._listing(self._random.choice(("invoker", "profile", "status")))
        start = self._some_row() if self._random.random() < 0.4 else None
        start_key = None
        if start is not None and listing.field in start.item:
            item = start.item
            start_key = {name: item[name] for name in ("pk", listing.field, "created_at")}
        request = requests.list_page(TABLE, listing, self._random.randint(1, 9), start_key)
        return Case("list", "Query", request)

    def _count(self) -> Case:
        listing = self._listing(self._random.choice(("invoker", "profile")))
        at_most = self._random.choice((None, self._random.randint(1, 5)))
        return Case("count", "Query", requests.count(TABLE, listing, at_most))

    def _newest(self) -> Case:
        listing = self._listing("invoker")
        limit = self._random.choice((1, 2, 16))
        profile = self._random.choice(PROFILES)
        request: dict[str, Any] = requests.newest_of_profile(TABLE, listing, profile, limit)
        return Case("newest", "Query", request)
