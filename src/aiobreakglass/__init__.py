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
    EventHeldError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    ReviewRefusedError,
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
    from aiobreakglass._domain.limits import Limits, Quota
    from aiobreakglass._domain.verification import Finding, verify_history
    from aiobreakglass._dynamodb import (
        Adoption,
        AsyncDynamoDBStore,
        TableLayout,
        adopt_table,
    )
    from aiobreakglass._evidence.access import access_at
    from aiobreakglass._evidence.audit import audit_table
    from aiobreakglass._evidence.export import export_events
    from aiobreakglass._evidence.progress import ScanProgress
    from aiobreakglass._evidence.verify import verify_anchor
    from aiobreakglass._memory.store import InMemoryStore
    from aiobreakglass._table.alarms import alarms_template
    from aiobreakglass._table.cloudformation import cloudformation_template
    from aiobreakglass._table.create import create_table
    from aiobreakglass._table.harden import Hardening, harden_table
    from aiobreakglass._table.policies import TableRole, iam_policy
    from aiobreakglass._table.terraform import terraform_configuration
    from aiobreakglass._table.verify import verify_table
    from aiobreakglass._workers.expiry import expire_due, run_expiry
    from aiobreakglass._workers.reminders import run_reminders

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
    "EventHeldError",
    "EventNotFoundError",
    "EventPage",
    "ExpiryError",
    "Finding",
    "GovernedStore",
    "Hardening",
    "HistoryEntry",
    "ImmutableFieldError",
    "InMemoryStore",
    "InvalidStateTransitionError",
    "ItemTooLargeError",
    "LimitExceededError",
    "Limits",
    "Quota",
    "ReasonCode",
    "ReviewOutcome",
    "ReviewRefusedError",
    "ScanProgress",
    "StoreUnavailableError",
    "TableError",
    "TableLayout",
    "TableRole",
    "access_at",
    "adopt_table",
    "alarms_template",
    "audit_table",
    "cloudformation_template",
    "create_table",
    "expire_due",
    "export_events",
    "harden_table",
    "iam_policy",
    "iterate",
    "run_expiry",
    "run_reminders",
    "terraform_configuration",
    "verify_anchor",
    "verify_history",
    "verify_table",
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
    "Hardening": "aiobreakglass._table.harden",
    "HistoryEntry": "aiobreakglass._domain.history",
    "InMemoryStore": "aiobreakglass._memory.store",
    "Limits": "aiobreakglass._domain.limits",
    "Quota": "aiobreakglass._domain.limits",
    "ReasonCode": "aiobreakglass._domain.event",
    "ReviewOutcome": "aiobreakglass._domain.event",
    "ScanProgress": "aiobreakglass._evidence.progress",
    "TableLayout": "aiobreakglass._dynamodb",
    "TableRole": "aiobreakglass._table.policies",
    "adopt_table": "aiobreakglass._dynamodb",
    "access_at": "aiobreakglass._evidence.access",
    "alarms_template": "aiobreakglass._table.alarms",
    "audit_table": "aiobreakglass._evidence.audit",
    "cloudformation_template": "aiobreakglass._table.cloudformation",
    "create_table": "aiobreakglass._table.create",
    "expire_due": "aiobreakglass._workers.expiry",
    "export_events": "aiobreakglass._evidence.export",
    "harden_table": "aiobreakglass._table.harden",
    "iam_policy": "aiobreakglass._table.policies",
    "run_expiry": "aiobreakglass._workers.expiry",
    "run_reminders": "aiobreakglass._workers.reminders",
    "terraform_configuration": "aiobreakglass._table.terraform",
    "verify_anchor": "aiobreakglass._evidence.verify",
    "verify_history": "aiobreakglass._domain.verification",
    "verify_table": "aiobreakglass._table.verify",
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
