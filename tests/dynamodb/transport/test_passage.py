"""If a method on the path of a call was replaced, the client sends the call itself."""

from __future__ import annotations

import functools
import inspect
import sys
from collections import defaultdict
from types import FrameType, FunctionType
from typing import Any

import pytest
import wrapt
from aiobotocore.client import AioBaseClient
from aiobotocore.context import with_current_context
from aiobotocore.endpoint import AioEndpoint
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiobotocore.signers import AioRequestSigner
from aiohttp import ClientRequest, ClientResponse, ClientSession
from botocore.endpoint import Endpoint
from botocore.hooks import EventAliaser

from aiobreakglass._aws.client import Opened
from aiobreakglass._aws.fast.passage import METHODS
from tests.dynamodb.canned import ANSWERS, CannedServer

from .calls import REQUESTS, carried, opened, unheard, without_metadata

pytestmark = pytest.mark.slow

PATCHABLE = [
    pytest.param(owner, name, id=f"{owner.__name__}.{name}")
    for owner, names in METHODS.items()
    for name in names
    if hasattr(owner, name)
]
ON_OBJECTS = [
    param for param in PATCHABLE if param.values[0] not in (ClientRequest, ClientResponse)
]


async def objects(client: Opened) -> dict[type, Any]:
    """Return the objects on the path of a client's calls."""
    inner: Any = client.client
    return {
        AioBaseClient: inner,
        EventAliaser: inner.meta.events,
        AioRequestSigner: inner._request_signer,
        AioEndpoint: inner._endpoint,
        AIOHTTPSession: inner._endpoint.http_session,
        ClientSession: await client.sessions[0].connections(),
    }


class Counting:
    """Replaces a method by one that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def function(self, original: Any) -> Any:
        @functools.wraps(original)
        def patched(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            return original(*arguments, **options)

        return patched

    def wrapper(self, original: Any) -> Any:
        def patched(wrapped: Any, _: Any, arguments: Any, options: Any) -> Any:
            self.calls += 1
            return wrapped(*arguments, **options)

        return wrapt.FunctionWrapper(original, patched)

    def wrapper_with_the_originals_face(self, original: Any) -> Any:
        count = self.function(original)

        class Wrapper:
            """Gives a class the original method, and an object the counting one."""

            def __get__(self, instance: Any, owner: type) -> Any:
                return original if instance is None else count.__get__(instance, owner)

        return Wrapper()

    def function_in_the_sdks_own_wrapper(self, original: Any) -> Any:
        return with_current_context()(self.function(original))


# Each method in one way; two methods in every way.
patches = pytest.mark.parametrize(
    ("owner", "name", "way"),
    [pytest.param(*param.values, Counting.function, id=param.id) for param in PATCHABLE]
    + [
        pytest.param(owner, name, way, id=f"{owner.__name__}.{name}-{way.__name__}")
        for owner, name in ((AioBaseClient, "_make_api_call"), (AIOHTTPSession, "send"))
        for way in (
            Counting.wrapper,
            Counting.wrapper_with_the_originals_face,
            Counting.function_in_the_sdks_own_wrapper,
        )
    ],
)


class TestOnAClass:
    @patches
    async def test_class_patched_before_open(
        self,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        owner: Any,
        name: str,
        way: Any,
    ) -> None:
        """The store does not use the fast transport at all."""
        monkeypatch.setattr(owner, name, way(Counting(), getattr(owner, name)))
        async with opened(server, session) as client:
            assert await client.transport("breakglass") is None

    @patches
    async def test_class_patched_after_open(
        self,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        owner: Any,
        name: str,
        way: Any,
    ) -> None:
        """Calls go through the new method as long as it is there."""
        counting = Counting()
        async with opened(server, session) as client:
            transport = await carried(client)
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, way(counting, getattr(owner, name)))
                answer = await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert without_metadata(answer) == ANSWERS["GetItem"]
            # The client binds its handler when it is created.
            assert counting.calls > 0 or name == "handler"
            assert "ResponseMetadata" in answer
            assert transport._passage.is_unchanged()
            answer = await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert answer == ANSWERS["GetItem"]
        assert len(server.requests) == 2

    @pytest.mark.parametrize("name", ["make_request", "prepare_request"])
    @pytest.mark.parametrize("owner", [Endpoint, AioEndpoint])
    async def test_method_patched_on_a_base_class_or_on_the_class(
        self,
        server: CannedServer,
        session: AioSession,
        monkeypatch: pytest.MonkeyPatch,
        owner: Any,
        name: str,
    ) -> None:
        """A replaced method is found on the class and on its base class."""
        counting = Counting()
        async with opened(server, session) as client:
            transport = await carried(client)
            monkeypatch.setattr(owner, name, counting.function(getattr(owner, name)))
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
        assert counting.calls == 1


class TestOnAnObject:
    @pytest.mark.parametrize(("owner", "name"), ON_OBJECTS)
    async def test_object_patched_before_learning(
        self, server: CannedServer, session: AioSession, owner: type, name: str
    ) -> None:
        """The store does not use the fast transport at all."""
        async with opened(server, session) as client:
            each = (await objects(client))[owner]
            vars(each)[name] = Counting().function(getattr(each, name))
            assert await client.transport("breakglass") is None

    @pytest.mark.parametrize(("owner", "name"), ON_OBJECTS)
    async def test_object_patched_after_learning(
        self, server: CannedServer, session: AioSession, owner: type, name: str
    ) -> None:
        """Calls go through the new method as long as it is there."""
        counting = Counting()
        async with opened(server, session) as client:
            transport = await carried(client)
            each = (await objects(client))[owner]
            vars(each)[name] = counting.function(getattr(each, name))
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert counting.calls > 0 or name == "handler"
            del vars(each)[name]
            answer = await transport.call("GetItem", REQUESTS["GetItem"], unheard)
            assert answer == ANSWERS["GetItem"]

    async def test_patched_operation_of_the_client(
        self, server: CannedServer, session: AioSession
    ) -> None:
        """The client's method for an operation is on the path as well."""
        counting = Counting()
        async with opened(server, session) as client:
            transport = await carried(client)
            inner: Any = client.client
            inner.get_item = counting.function(inner.get_item)
            await transport.call("GetItem", REQUESTS["GetItem"], unheard)
        assert counting.calls == 1


class TestInPlaceOfAnObject:
    @pytest.mark.parametrize("name", ["endpoint", "http session"])
    async def test_replaced_object(
        self, server: CannedServer, session: AioSession, name: str
    ) -> None:
        """Calls go through a wrapper around a whole object, as through one around a method."""
        async with opened(server, session) as client:
            transport = await carried(client)
            endpoint = (await objects(client))[AioEndpoint]
            if name == "endpoint":
                vars(client.client)["_endpoint"] = wrapt.ObjectProxy(endpoint)
            else:
                endpoint.http_session = wrapt.ObjectProxy(endpoint.http_session)
            assert "ResponseMetadata" in await transport.call(
                "GetItem", REQUESTS["GetItem"], unheard
            )
            assert await client.transport("breakglass") is None


async def test_every_method_on_the_path_is_watched(
    server: CannedServer, session: AioSession
) -> None:
    """Each method of these objects that a call enters is in the list of watched methods."""
    entered = defaultdict(set)
    async with opened(server, session) as client:
        watched = await objects(client)
        owners = {id(each): owner for owner, each in watched.items()}
        await client.client.get_item(**REQUESTS["GetItem"])

        def note(frame: FrameType, event: str, _: Any) -> None:
            owner = owners.get(id(frame.f_locals.get("self")))
            if event == "call" and owner is not None:
                entered[owner].add(frame.f_code.co_name)

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            await client.client.get_item(**REQUESTS["GetItem"])
        finally:
            sys.setprofile(before)
        for owner, names in entered.items():
            methods = {
                name
                for name in names
                if type(inspect.getattr_static(watched[owner], name, None)) is FunctionType
            }
            assert methods - {"_api_call"} <= {*METHODS[owner]}, owner
    assert entered.keys() == watched.keys()
