"""Learn that this process is about to stop, before its server waits for open connections.

On SIGTERM uvicorn waits until each response has ended, and only then ends the lifespan. An open
stream would make it wait for ever, so a signal ends the streams. A stream whose client does not
read cannot end like this; uvicorn's own timeout, `--timeout-graceful-shutdown`, ends it.
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
    """Call back in the event loop when a signal arrives; the server still handles the signal."""
    loop = asyncio.get_running_loop()
    handled: dict[int, Callable[[int, FrameType | None], object]] = {}

    def hear(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        handled[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in map(int, (signal.SIGTERM, signal.SIGINT)):
            handler = signal.getsignal(number)
            # If no server handles the signal, it ends the process without us.
            if callable(handler):
                handled[number] = handler
                signal.signal(number, hear)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, handled[number])
