"""Requests that stay under way for as long as a test needs."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.faults.proxy import Exchange, FaultProxy


class Gate:
    """Holds requests in the proxy until it is opened."""

    def __init__(self, proxy: FaultProxy, requests: int = 1) -> None:
        self.missing = requests
        self.held = ""
        """The operation of the last of them."""
        self.full = asyncio.Event()
        self.opened = asyncio.Event()
        proxy.plan = lambda exchange: self.hold

    async def hold(self, exchange: Exchange) -> Any:
        self.held = exchange.operation
        self.missing -= 1
        if not self.missing:
            self.full.set()
        await self.opened.wait()
        return await exchange.forward()
