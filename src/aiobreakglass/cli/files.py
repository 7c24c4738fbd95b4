"""Write files that are whole or not there, and that only their owner can read."""

from __future__ import annotations

from pathlib import Path

from aiobreakglass._evidence.files import UnfinishedFile


def write_whole(path: Path, text: str) -> None:
    """Write a file under another name, and give it its own when it is complete.

    An interruption leaves the file that was there before, or none.
    """
    file = UnfinishedFile(path.parent, path.name)
    try:
        file.write(text.encode())
        file.finish()
        file.publish()
    except BaseException:
        file.discard()
        raise
