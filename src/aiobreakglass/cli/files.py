"""Write files that are whole or not there, and that only their owner can read."""

from __future__ import annotations

from pathlib import Path

from aiobreakglass import _randomness
from aiobreakglass._evidence.files import UnfinishedFile


def write_whole(path: Path, text: str) -> None:
    """Write a file under another name, and give it its own when it is complete.

    An interruption leaves the file that was there before, or none. What is there and is no file,
    such as /dev/stdout, is written to, and stays what it is.

    Raises:
        OSError: The file cannot be written.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    file = UnfinishedFile(path.parent, path.name, _randomness.token(8))
    try:
        file.create()
    except OSError as error:
        # The name of the unfinished file says nothing to the person who gave the other one.
        raise type(error)(error.errno, error.strerror, str(path)) from error
    try:
        file.write(text.encode())
        file.finish()
        file.publish()
    except BaseException:
        file.discard()
        raise
