"""Write files that get their names only when they are complete, readable by their owner alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from aiobreakglass import _randomness

_OWNER_ALONE: Final = 0o600
_OWNER_ALONE_FOLDER: Final = 0o700

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


async def in_thread(
    function: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Run work that blocks, and let it end even if the caller is cancelled.

    A thread cannot be cancelled, so a caller that left early would close a file under it.
    """
    # A future and no task, because `asyncio.run` cancels every task before it returns.
    call = partial(copy_context().run, function, *args, **kwargs)
    work = asyncio.get_running_loop().run_in_executor(None, call)
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # Nobody wants the result or the failure any more, and asyncio would log the failure.
        work.exception()
        raise cancelled
    return work.result()


class UnfinishedFile:
    """A file under a temporary name, until `publish` gives it its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self.size = 0
        self.count = 0
        """How many records were written."""
        self._hash = sha256()
        self._temporary = folder / f".{name}.{_randomness.token(8)}.partial"
        # `O_EXCL` also refuses a link that somebody else has put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor: int | None = os.open(self._temporary, flags, _OWNER_ALONE)
        self._is_published = False

    def write(self, content: bytes, count: int = 0) -> None:
        """Append content that has this many records."""
        if self._descriptor is None:
            raise ValueError("the file is finished")
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._hash.update(content)
        self.size += len(content)
        self.count += count

    def finish(self) -> None:
        """Write everything to the disk, and close the file."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            self._close()

    def publish(self) -> None:
        """Give the finished file its name."""
        os.replace(self._temporary, self.path)  # noqa: PTH105 - tests replace `os` to interrupt this
        self._is_published = True

    def discard(self) -> None:
        """Remove the file, whatever its name is by now."""
        with suppress(OSError):
            self._close()
        with suppress(OSError):
            os.unlink(self.path if self._is_published else self._temporary)  # noqa: PTH108 - as above

    def description(self) -> dict[str, Any]:
        """Return what a manifest says about the file."""
        return {
            "name": self.path.name,
            "size": self.size,
            "sha256": self._hash.hexdigest(),
            "count": self.count,
        }

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder that its owner alone can read, unless it is there."""
    folder.mkdir(mode=_OWNER_ALONE_FOLDER, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the operating system can do that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
