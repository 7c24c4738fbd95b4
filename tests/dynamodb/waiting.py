"""Read time-outs that occur only when a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from aiobotocore.config import AioConfig
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PATIENT: Final = AioConfig(connect_timeout=3600, read_timeout=3600)
"""A configuration whose time-outs are longer than any test, even on a slow machine."""

LONG_ENOUGH: Final = timedelta(minutes=5)
"""A time limit that no call reaches, because the outcome of a call that is cut off is unknown."""

PATIENT_AND_SENDING_ONCE: Final = PATIENT.merge(
    AioConfig(retries={"mode": "standard", "total_max_attempts": 1})
)
"""The same, without the SDK's own retries, so that each request is an attempt of the store."""


def connections_in_use(client: DynamoDBClient) -> int:
    """Count the connections of a client that are not idle."""
    return len(list(_in_use(client)))


def lose_patience(client: DynamoDBClient) -> None:
    """End every read of this client by a time-out now."""
    for protocol in _in_use(client):
        protocol.read_timeout = 0.001
        protocol.start_timeout()


def _in_use(client: DynamoDBClient) -> Iterator[ResponseHandler]:
    # No public attribute of the client has them.
    http_session = vars(client)["_endpoint"].http_session
    for session in http_session._sessions.values():
        yield from session.connector._acquired
