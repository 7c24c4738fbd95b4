"""Check whether a client can be used, before anything is sent."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any, Final

from botocore.hooks import HierarchicalEmitter

_HOW_TO_MAKE_A_CLIENT: Final = (
    'async with aiobotocore.session.get_session().create_client("dynamodb") as client'
)


def check_client(client: Any) -> None:
    """Raise `TypeError`, with advice, if this is not an open aiobotocore client of DynamoDB."""
    meta = getattr(client, "meta", None)
    events = getattr(meta, "events", None)
    if events is None:
        entered = "not entered" if hasattr(type(client), "__aenter__") else "not aiobotocore's"
        raise TypeError(f"client is {entered}; use: {_HOW_TO_MAKE_A_CLIENT}")
    # botocore wraps the session's emitter. Only aiobotocore's emitter awaits its handlers.
    emitter = getattr(events, "_emitter", events)
    emit = getattr(emitter, "_emit", None)
    if isinstance(emitter, HierarchicalEmitter) and not iscoroutinefunction(emit):
        raise TypeError(f"client is synchronous, as boto3's are; use: {_HOW_TO_MAKE_A_CLIENT}")
    service = getattr(getattr(meta, "service_model", None), "service_name", "dynamodb")
    if service != "dynamodb":
        raise TypeError(f"client is one for {service}; use: {_HOW_TO_MAKE_A_CLIENT}")


def check_transport(transport: Any) -> None:
    """Raise `TypeError` unless this is a transport or None."""
    if transport is not None and not iscoroutinefunction(getattr(transport, "call", None)):
        raise TypeError(
            "transport must be None or an object with an async method `call`; only `open` takes "
            "it by name"
        )


def is_closed(client: Any) -> bool:
    """Return whether a client's own `async with` block has ended."""
    # Only the client's private attributes tell, since aiobotocore 3.0. An older client just opens
    # new connections.
    endpoint = vars(client).get("_endpoint")
    return getattr(getattr(endpoint, "http_session", None), "_sessions", {}) is None
