"""Watch the methods that a client's own call goes through on its way to the socket.

Instrumentation replaces one of these methods, on a class or on an object, before a client is made
or at any later time. From then on, calls must go through all of the methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping
from operator import is_, itemgetter
from types import FunctionType
from typing import Any, Final

from aiobotocore.client import AioBaseClient
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.signers import AioRequestSigner
from aiohttp import ClientRequest, ClientResponse, ClientSession
from botocore import xform_name
from botocore.hooks import EventAliaser

METHODS: Final[Mapping[type, tuple[str, ...]]] = {
    AioBaseClient: (
        "_make_api_call",
        "_emit_api_params",
        "_resolve_endpoint_ruleset",
        "_convert_to_request_dict",
        "_make_request",
    ),
    EventAliaser: ("emit", "emit_until_response", "_alias_event_name"),
    AioEndpoint: (
        "make_request",
        "_send_request",
        "_update_retries_context",
        "create_request",
        "prepare_request",
        "_encode_headers",
        "_get_response",
        "_do_get_response",
        "_send",
        "_needs_retry",
    ),
    AioRequestSigner: ("handler", "sign", "_choose_signer", "get_auth_instance"),
    AIOHTTPSession: ("send", "_get_session", "_get_request_timeout", "_chunked"),
    ClientSession: ("request", "_request", "_prepare_headers", "_build_url"),
    ClientRequest: ("send",),
    ClientResponse: ("start", "read"),
}
"""By class, in the order of a call; a test compares them with the methods that a call enters."""

_Getter = Callable[[Mapping[str, object]], tuple[object, ...]]

_ORIGINS: Final = ("aiobotocore.", "botocore.", "aiohttp.")
_OURS: Final = "aiobreakglass."


class Passage:
    """The methods that one client's calls go through, as they are when this is made."""

    def __init__(
        self,
        client: Any,
        session: AIOHTTPSession,
        connections: ClientSession,
        operations: Iterable[str],
    ) -> None:
        self._client, self._session = client, session
        self._known_endpoint = client._endpoint
        objects: dict[type, object] = {
            AioBaseClient: client,
            EventAliaser: client.meta.events,
            AioEndpoint: self._known_endpoint,
            AioRequestSigner: client._request_signer,
            AIOHTTPSession: session,
            ClientSession: connections,
        }
        names = {owner: {*its} for owner, its in METHODS.items()}
        names[AioBaseClient] |= {*map(xform_name, operations)}
        self._found: list[tuple[_Getter, Mapping[str, object]]] = []
        self._is_complete = True
        self._vacant: list[tuple[KeysView[str], frozenset[str]]] = []
        for owner, missing in names.items():
            for place in _namespaces(objects.get(owner), owner):
                if found := sorted(missing & place.keys()):
                    # One name is given twice, because `itemgetter` of one name returns no tuple.
                    self._found.append((itemgetter(found[0], *found), place))
                missing -= place.keys()
                if missing:
                    self._vacant.append((place.keys(), frozenset(missing)))
            # A wrapper around a whole object forwards methods that no namespace has. Some
            # releases lack some of the methods.
            self._is_complete &= not any(hasattr(owner, name) for name in missing)
        self._methods = self._current()

    def is_original(self) -> bool:
        """Return whether all methods were the SDK's own when this was made."""
        return self._is_complete and self.is_unchanged() and all(map(_is_original, self._methods))

    def is_unchanged(self) -> bool:
        """Return whether all methods are still the same; every call checks this."""
        if (
            self._client._endpoint is not self._known_endpoint
            or self._known_endpoint.http_session is not self._session
        ):
            return False
        for place, names in self._vacant:
            if not place.isdisjoint(names):
                return False
        # By identity, because a tracer's wrapper may be equal to the method that it wraps.
        return all(map(is_, self._current(), self._methods))

    def _current(self) -> list[object]:
        methods: list[object] = []
        for get, place in self._found:
            methods += get(place)
        return methods


def _namespaces(each: object | None, owner: type) -> Iterator[Mapping[str, object]]:
    """Yield the namespaces in which Python looks up a method of an object, or else of a class.

    A namespace has the stored object. `getattr` might return something else: a tracer's wrapper is
    a descriptor and may return the method that it wraps.
    """
    if each is not None:
        yield vars(each)
    for place in (owner if each is None else type(each)).__mro__:
        # Our own classes would hide the methods that they extend.
        if not place.__module__.startswith(_OURS):
            yield vars(place)


def _is_original(method: Any) -> bool:
    # A tracer stores an object that looks like a function, or a function of its own. Tracers copy
    # name and module, but not `__globals__`. The SDK itself also wraps a method.
    while type(method) is FunctionType and method.__globals__["__name__"].startswith(_ORIGINS):
        if not hasattr(method, "__wrapped__"):
            return True
        method = method.__wrapped__
    return False
