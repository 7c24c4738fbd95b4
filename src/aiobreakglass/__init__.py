"""The record behind emergency access: break-glass events in DynamoDB, for asyncio."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from aiobreakglass._contract.governed import GovernedStore
from aiobreakglass._contract.iteration import iterate
from aiobreakglass._contract.store import (
    DEFAULT_QUERY_LIMIT,
    MAX_QUERY_LIMIT,
    BreakGlassStore,
    EventPage,
)
from aiobreakglass._domain.errors import (
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

if TYPE_CHECKING:
    from aiobreakglass._domain.change import Action
    from aiobreakglass._domain.event import (
        BreakGlassEvent,
        BreakGlassStatus,
        ReasonCode,
        ReviewOutcome,
    )
    from aiobreakglass._domain.fields import MAX_DURATION
    from aiobreakglass._domain.history import HistoryEntry
    from aiobreakglass._domain.verification import Finding, verify_history
    from aiobreakglass._dynamodb import (
        Adoption,
        AsyncDynamoDBStore,
        TableLayout,
        adopt_table,
        create_table,
    )
    from aiobreakglass._evidence.access import access_at
    from aiobreakglass._evidence.audit import audit_table
    from aiobreakglass._evidence.export import export_events
    from aiobreakglass._evidence.progress import ScanProgress
    from aiobreakglass._evidence.verify import verify_anchor
    from aiobreakglass._memory.store import InMemoryStore
    from aiobreakglass._workers.expiry import expire_due, run_expiry

    __version__: str

__all__ = [
    "DEFAULT_QUERY_LIMIT",
    "MAX_DURATION",
    "MAX_QUERY_LIMIT",
    "Action",
    "ActiveEventExistsError",
    "Adoption",
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
    "Finding",
    "GovernedStore",
    "HistoryEntry",
    "ImmutableFieldError",
    "InMemoryStore",
    "InvalidStateTransitionError",
    "ItemTooLargeError",
    "ReasonCode",
    "ReviewOutcome",
    "ScanProgress",
    "StoreUnavailableError",
    "TableError",
    "TableLayout",
    "access_at",
    "adopt_table",
    "audit_table",
    "create_table",
    "expire_due",
    "export_events",
    "iterate",
    "run_expiry",
    "verify_anchor",
    "verify_history",
]

# These import pydantic, asyncio or botocore. Each of the three costs several times as much as
# everything else together.
_IMPORTED_WHEN_FIRST_NEEDED = {
    "MAX_DURATION": "aiobreakglass._domain.fields",
    "Action": "aiobreakglass._domain.change",
    "Adoption": "aiobreakglass._dynamodb",
    "AsyncDynamoDBStore": "aiobreakglass._dynamodb",
    "BreakGlassEvent": "aiobreakglass._domain.event",
    "BreakGlassStatus": "aiobreakglass._domain.event",
    "Finding": "aiobreakglass._domain.verification",
    "HistoryEntry": "aiobreakglass._domain.history",
    "InMemoryStore": "aiobreakglass._memory.store",
    "ReasonCode": "aiobreakglass._domain.event",
    "ReviewOutcome": "aiobreakglass._domain.event",
    "ScanProgress": "aiobreakglass._evidence.progress",
    "TableLayout": "aiobreakglass._dynamodb",
    "adopt_table": "aiobreakglass._dynamodb",
    "access_at": "aiobreakglass._evidence.access",
    "audit_table": "aiobreakglass._evidence.audit",
    "create_table": "aiobreakglass._dynamodb",
    "expire_due": "aiobreakglass._workers.expiry",
    "export_events": "aiobreakglass._evidence.export",
    "run_expiry": "aiobreakglass._workers.expiry",
    "verify_anchor": "aiobreakglass._evidence.verify",
    "verify_history": "aiobreakglass._domain.verification",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        # `pyproject.toml` is where the version is written, and the only place.
        return import_module("importlib.metadata").version(__name__)
    if name not in _IMPORTED_WHEN_FIRST_NEEDED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_IMPORTED_WHEN_FIRST_NEEDED[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
