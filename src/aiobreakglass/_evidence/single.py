"""Verify the record of one event, as an audit does it for all."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from aiobreakglass._contract.arguments import check_event_id, check_instant
from aiobreakglass._domain.errors import EventNotFoundError
from aiobreakglass._domain.event import utc_now
from aiobreakglass._domain.finding import Finding
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._evidence.judgments import (
    guard_findings,
    history_findings,
    is_adopted,
    unsettled,
)
from aiobreakglass._evidence.records import Records, open_table

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


async def verify_event(
    client: DynamoDBClient,
    name: str,
    event_id: str,
    *,
    layout: TableLayout | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Return what is wrong with the row, the history and the guard of one event.

    Everything is read strongly consistently, and again if it changed meanwhile.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name or the ARN of the table.
        event_id: The id of the event; it may be deleted.
        layout: The names that the table uses; None means the default names.
        now: The instant to judge retention by; by default the current time.

    Raises:
        EventNotFoundError: Nothing is known of this id.
        ValueError: An argument is wrong.
        StoreUnavailableError: DynamoDB did not answer for a minute.
        TableError: The table is missing, or is not laid out like this.
    """
    calls, table = open_table(client, name, layout)
    event_id = check_event_id(event_id)
    instant = utc_now() if now is None else check_instant("now", now)
    record = await Records(calls, table).settled(event_id)
    if record is None:
        return [unsettled(event_id)]
    if record.row is None and not record.chain:
        raise EventNotFoundError(event_id)
    findings = [*history_findings(record, table.layout, instant), *guard_findings(record)]
    if not is_adopted(record) and "status" in (record.row or {}):
        findings.append(
            Finding(
                "info",
                "no history",
                f"event {event_id}",
                "an event without a history",
                "a history of each event",
                "adopt_table gives it its first entry; until then its past is unknown",
            )
        )
    return findings
