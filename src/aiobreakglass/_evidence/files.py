"""Write files that get their names only when they are complete, readable by their owner alone."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, ParamSpec, TypeVar

_OWNER_ALONE: Final = 0o600
_OWNER_ALONE_FOLDER: Final = 0o700
_PIECE: Final = 1 << 20
"""How many bytes are read at once."""

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


class Written(NamedTuple):
    """What was written to a file: the whole of it, or its beginning."""

    name: str
    size: int
    sha256: str
    records: int


class UnfinishedFile:
    """A file under a temporary name, until `publish` gives it its own.

    Args:
        folder: Where it is.
        name: Its own name.
        token: A random text in its temporary name, which no other export has.
    """

    def __init__(self, folder: Path, name: str, token: str) -> None:
        self.path = folder / name
        self.temporary = folder / f".{name.removeprefix('.')}.{token}.partial"
        self._size = 0
        self._records = 0
        self._hash = sha256()
        self._descriptor: int | None = None
        self._place: Path | None = self.temporary
        """Where this export has put it; None if an earlier one has given it its name."""

    def create(self) -> None:
        """Make the file, which must not be there."""
        # `O_EXCL` also refuses a link that somebody else has put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.temporary, flags, _OWNER_ALONE)

    def find(self, written: Written) -> bool:
        """Take the whole file from an earlier time, and return whether it is there.

        It may have its own name already.
        """
        for path in (self.temporary, self.path):
            with suppress(OSError):
                if self._read(path, written):
                    self._place = self.temporary if path == self.temporary else None
                    return True
        return False

    def copy(self, source: Path, written: Written) -> bool:
        """Begin with the beginning of another file; return whether that was there."""
        with suppress(FileNotFoundError):
            return self._read(source, written, self._write_all)
        return False

    def write(self, content: bytes, count: int = 0) -> None:
        """Append content that has this many records."""
        self._write_all(content)
        self._note(content)
        self._records += count

    def sync(self) -> None:
        """Write everything to the disk."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def finish(self) -> None:
        """Write everything to the disk, and close the file."""
        self.sync()
        self.close()

    def publish(self) -> None:
        """Give the finished file its name."""
        if not self.is_published:
            os.replace(self.temporary, self.path)  # noqa: PTH105 - tests replace `os` to interrupt this
            self._place = self.path

    @property
    def is_published(self) -> bool:
        """Whether the file has its own name."""
        return self._place != self.temporary

    def discard(self) -> None:
        """Remove the file, whatever its name is by now, unless it was not put there here."""
        with suppress(OSError):
            self.close()
        if self._place is not None:
            remove(self._place)

    @property
    def written(self) -> Written:
        """What the file has by now."""
        return Written(self.path.name, self._size, self._hash.hexdigest(), self._records)

    def close(self) -> None:
        """Close the file, and leave it where it is."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _write_all(self, content: bytes) -> None:
        if self._descriptor is None:
            raise ValueError("the file is finished")
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _note(self, content: bytes) -> None:
        self._hash.update(content)
        self._size += len(content)

    def _read(
        self, path: Path, written: Written, on_piece: Callable[[bytes], None] | None = None
    ) -> bool:
        """Read what was written earlier, and return whether it is still the same.

        Only then is it what this file has.
        """
        self._hash, self._size, self._records = sha256(), 0, written.records
        with path.open("rb") as file:
            while piece := file.read(min(_PIECE, written.size - self._size)):
                self._note(piece)
                if on_piece is not None:
                    on_piece(piece)
            is_longer = on_piece is None and file.read(1)
        return self.written == written and not is_longer


def remove(path: Path) -> bool:
    """Remove a file if that is possible, and return whether it is gone."""
    try:
        os.unlink(path)  # noqa: PTH108 - tests replace `os` to interrupt this
    except OSError as failure:
        return failure.errno == errno.ENOENT
    return True


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


def read_own(path: Path) -> bytes | None:
    """Return the content of a file that this user has written; None if there is no such file."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        return file.read() if is_own and stat.S_ISREG(status.st_mode) else None


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, read piece by piece."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
