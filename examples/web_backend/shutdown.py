"""Hearing that this process is to stop, before its server waits for open connections.

On SIGTERM uvicorn waits until each response has ended, and only then ends the lifespan; a stream
would keep it waiting for ever. One whose client does not read cannot end like that, and ends with
uvicorn's own timeout, `--timeout-graceful-shutdown`.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call back in the event loop when a signal stops the server, which handles it as before."""
    loop = asyncio.get_running_loop()
    handled: dict[int, Callable[[int, FrameType | None], object]] = {}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        handled[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGTERM, signal.SIGINT)):
            handler = signal.getsignal(number)
            # Where no server listens, the signal ends the process without our doing.
            if callable(handler):
                handled[number] = handler
                signal.signal(number, hear)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, handled[number])
