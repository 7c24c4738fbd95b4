"""An operating system that fails while files are written."""

from __future__ import annotations

import os
from typing import Any


class StoppedError(OSError):
    pass


class Disk:
    """The operating system, which fails at one of its calls."""

    def __init__(self, fails_at: int, *, stays_broken: bool) -> None:
        self.calls = 0
        self.names: list[str] = []
        self._fails_at = fails_at
        self._stays_broken = stays_broken

    def __getattr__(self, name: str) -> Any:
        function = getattr(os, name)
        if not callable(function):
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            self.names.append(name)
            self.calls += 1
            is_broken = self._stays_broken and self.calls > self._fails_at
            if self.calls == self._fails_at or is_broken:
                raise StoppedError(f"{name} was interrupted")
            return function(*args, **kwargs)

        return call
