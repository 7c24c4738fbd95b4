"""Define what sends requests, and send them through the client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Literal, Protocol

from botocore import xform_name

from aiobreakglass._aws.transaction import Request
from aiobreakglass._shielding import shielded

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

TransportName = Literal["fast", "standard"]


class Transport(Protocol):
    """A transport sends requests: through the client, or directly over its connections."""

    @property
    def in_use(self) -> TransportName:
        """The name of the transport that the next request takes."""
        ...

    async def call(
        self,
        name: str,
        request: Request,
        on_send: Callable[[], None],
        deadline: float | None = None,
        /,
    ) -> dict[str, Any]:
        """Send a request, and return its answer.

        Args:
            name: The name of DynamoDB's operation.
            request: The operation's parameters.
            on_send: The transport must call this right before it sends the request.
            deadline: If given, a cancelled caller must wait for the answer to a request that was
                sent, but no longer than until this time, by the event loop's clock.
        """
        ...


class StandardTransport:
    """Sends requests through the client, with aiobotocore's own transport."""

    in_use: TransportName = "standard"

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    async def call(
        self,
        name: str,
        request: Request,
        _on_send: Callable[[], None],
        deadline: float | None = None,
        /,
    ) -> dict[str, Any]:
        """Send a request through the client, which reports each attempt through its hooks."""
        return await call_client(self._client, name, request, deadline)


async def call_client(
    client: DynamoDBClient, name: str, request: Request, shielded_until: float | None
) -> dict[str, Any]:
    """Send through the client; a deadline shields the call from cancellation, see `Transport`."""
    call: Coroutine[Any, Any, dict[str, Any]] = getattr(client, xform_name(name))(**request)
    return await (call if shielded_until is None else shielded(call, shielded_until))
