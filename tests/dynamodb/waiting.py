"""Read time-outs that come when a test wants them, and at no other time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from aiobotocore.config import AioConfig
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PATIENT: Final = AioConfig(connect_timeout=3600, read_timeout=3600)
"""A client that waits for longer than any test may take, however slow the machine."""

PATIENT_AND_SENDING_ONCE: Final = PATIENT.merge(
    AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
)
"""The same, without the SDK's own attempts, so that each of the store's is seen."""


def connections_in_use(client: DynamoDBClient) -> int:
    """Count the connections of a client that are not idle."""
    return len(list(_in_use(client)))


def lose_patience(client: DynamoDBClient) -> None:
    """Have the read time-out of all that a client waits for run out now."""
    for protocol in _in_use(client):
        protocol.read_timeout = 0.001
        protocol.start_timeout()


def _in_use(client: DynamoDBClient) -> Iterator[ResponseHandler]:
    # Only the client's inside can tell.
    http_session = vars(client)["_endpoint"].http_session
    for session in http_session._sessions.values():
        yield from session.connector._acquired
