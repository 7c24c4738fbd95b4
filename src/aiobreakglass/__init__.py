"""The record behind emergency access: break-glass events in DynamoDB, for asyncio."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aiobreakglass._errors import (
    ActiveEventExistsError,
    BreakGlassError,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass._store import (
    DEFAULT_QUERY_LIMIT,
    MAX_QUERY_LIMIT,
    BreakGlassStore,
    EventPage,
    iterate,
)

if TYPE_CHECKING:
    from aiobreakglass._dynamodb import AsyncDynamoDBStore, TableLayout, create_table
    from aiobreakglass._expiry import expire_due, run_expiry
    from aiobreakglass._fields import MAX_DURATION
    from aiobreakglass._memory import InMemoryStore
    from aiobreakglass._model import BreakGlassEvent, BreakGlassStatus, ReasonCode

__all__ = [
    "DEFAULT_QUERY_LIMIT",
    "MAX_DURATION",
    "MAX_QUERY_LIMIT",
    "ActiveEventExistsError",
    "AsyncDynamoDBStore",
    "BreakGlassError",
    "BreakGlassEvent",
    "BreakGlassStatus",
    "BreakGlassStore",
    "ConcurrentModificationError",
    "CorruptItemError",
    "EventExistsError",
    "EventNotFoundError",
    "EventPage",
    "ExpiryError",
    "ImmutableFieldError",
    "InMemoryStore",
    "InvalidStateTransitionError",
    "ItemTooLargeError",
    "ReasonCode",
    "StoreUnavailableError",
    "TableError",
    "TableLayout",
    "create_table",
    "expire_due",
    "iterate",
    "run_expiry",
]

# These bring pydantic, asyncio or botocore with them, each of which costs several times what all
# the rest does.
_IMPORTED_WHEN_FIRST_NEEDED = {
    "MAX_DURATION": "aiobreakglass._fields",
    "AsyncDynamoDBStore": "aiobreakglass._dynamodb",
    "BreakGlassEvent": "aiobreakglass._model",
    "BreakGlassStatus": "aiobreakglass._model",
    "InMemoryStore": "aiobreakglass._memory",
    "ReasonCode": "aiobreakglass._model",
    "TableLayout": "aiobreakglass._dynamodb",
    "create_table": "aiobreakglass._dynamodb",
    "expire_due": "aiobreakglass._expiry",
    "run_expiry": "aiobreakglass._expiry",
}


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_WHEN_FIRST_NEEDED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_IMPORTED_WHEN_FIRST_NEEDED[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
