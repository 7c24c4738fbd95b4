"""Keep in an export's folder how far it has come, so that another call can go on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiobreakglass._domain.fields import is_hash
from aiobreakglass._domain.timestamps import decode_time
from aiobreakglass._evidence.files import UnfinishedFile, Written, read_own

UNFINISHED: Final = ".unfinished.json"
_FORMAT: Final = "aiobreakglass unfinished export 1"
_TOKEN: Final = re.compile("[0-9a-f]{16}")


class Unfinished(NamedTuple):
    """How far an export has come."""

    arguments: Mapping[str, Any]
    """What the export has; another call can go on only with the same."""
    started_at: str
    token: str
    """What the temporary names of its files have."""
    others: Sequence[str] = ()
    """The tokens of files that are left from earlier calls, which nobody needs any more."""
    scan: str = ""
    """Where the pass over the table goes on."""
    files: Sequence[Written] = ()
    """The files as they were then; without any, the export begins again."""

    def save(self, folder: Path, token: str) -> None:
        """Write this to the disk, instead of what was there.

        Args:
            folder: The folder of the export.
            token: That of the call that writes this.
        """
        file = UnfinishedFile(folder, UNFINISHED, token)
        try:
            file.create()
            files = [written._asdict() for written in self.files]
            values = {"format": _FORMAT, **self._asdict(), "files": files}
            file.write(json.dumps(values, indent=2).encode() + b"\n")
            file.finish()
            file.publish()
        except BaseException:
            file.discard()
            raise


def read_unfinished(folder: Path) -> Unfinished | None:
    """Return how far the export in a folder has come; None if there is none to go on with.

    In a folder that others can write to, only what this user has written counts: otherwise they
    could begin the export with records of their own.
    """
    content = read_own(folder / UNFINISHED)
    if content is None:
        return None
    try:
        values = json.loads(content)
        is_ours = values.pop("format") == _FORMAT
        files = tuple(Written(**written) for written in values.pop("files"))
        others = tuple(values.pop("others"))
        unfinished = Unfinished(**values, others=others, files=files)
        decode_time(unfinished.started_at)
        is_well_formed = (
            isinstance(values["arguments"], dict)
            and isinstance(values["scan"], str)
            and all(map(_TOKEN.fullmatch, [unfinished.token, *unfinished.others]))
            and all(map(_is_well_formed, files))
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return unfinished if is_ours and is_well_formed else None


def _is_well_formed(written: Written) -> bool:
    numbers: tuple[Any, ...] = (written.size, written.records)
    are_numbers = all(type(number) is int and number >= 0 for number in numbers)
    return are_numbers and is_hash(written.sha256)
