"""Open a store with a client of its own, by `async with` only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, get_args

from aiobreakglass._aws.calls import Calls
from aiobreakglass._aws.client import Opened
from aiobreakglass._aws.transport import Transport, TransportName
from aiobreakglass._dynamodb.layout import check_table_name

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class _OnCalls(Protocol):
    _calls: Calls


_Store = TypeVar("_Store", bound=_OnCalls)


@asynccontextmanager
async def opened_store(
    make_store: Callable[[DynamoDBClient, Transport | None], _Store],
    client: AbstractAsyncContextManager[Opened],
    table_name: str,
    transport: TransportName,
) -> AsyncIterator[_Store]:
    """Open a client and a store on it; at the end, wait for the calls under way and close both."""
    check_table_name(table_name, or_arn=True)
    if transport not in get_args(TransportName):
        raise ValueError('transport must be "fast" or "standard"')
    async with client as opened:
        fast = await opened.transport(table_name) if transport == "fast" else None
        store = make_store(opened.client, fast)
        calls = store._calls
        calls.bind()
        try:
            yield store
        finally:
            await calls.close()


class Opening(AbstractAsyncContextManager[_Store], Generic[_Store]):
    """A store that `async with` enters and leaves in one event loop.

    Any other use raises `TypeError`, which says how to open it.
    """

    def __init__(
        self, store_class: type[_Store], opened: AbstractAsyncContextManager[_Store]
    ) -> None:
        self._store_class = store_class
        self._opened = opened
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> _Store:
        self._loop = asyncio.get_running_loop()
        return await self._opened.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if asyncio.get_running_loop() is not self._loop:
            # Its connections can be closed only in the loop that made them.
            raise RuntimeError(
                "this store belongs to another event loop: leave `async with` in the loop that "
                "entered it"
            )
        return await self._opened.__aexit__(kind, error, traceback)

    def __await__(self) -> NoReturn:
        raise self._misused()

    def __enter__(self) -> NoReturn:
        raise self._misused()

    def __exit__(self, *_: object) -> None:
        """Do nothing; it must exist for `with` to call `__enter__`."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and hasattr(self._store_class, name):
            raise self._misused()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _misused(self) -> TypeError:
        name = self._store_class.__name__
        return TypeError(
            f"{name}.open(...) is not a store yet; use: async with {name}.open(...) as store"
        )
