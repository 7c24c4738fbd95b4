"""Changes between a store's read and its write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient


class Interposing:
    """A client that makes another change just before its next transaction."""

    def __init__(self, client: DynamoDBClient, happening: Callable[[], Awaitable[Any]]) -> None:
        self._client = client
        self._happenings = [happening]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, **request: Any) -> Any:
        while self._happenings:
            await self._happenings.pop()()
        return await self._client.transact_write_items(**request)
