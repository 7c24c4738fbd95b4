"""Keep in a file how far long work has come, so that it can go on after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from aiobreakglass.cli.files import write_whole
from aiobreakglass.cli.statuses import WrongUseError

_PAGES: Final = 20
"""After how many reports the file is written again."""


class Checkpoint:
    """What is done of one piece of work; without a path it is only remembered.

    The file has the keys of some rows, so only its owner can read it.
    """

    def __init__(self, path: Path | None, work: str) -> None:
        self._path = path
        self._work = work
        self._reports = 0
        self.resume: str | None = None
        """Where to go on; None at the beginning."""
        self.wrong: int = 0
        """How many findings before that are more than an explanation; they have been printed."""
        if path is not None and path.exists():
            self._read(path)

    @property
    def is_kept(self) -> bool:
        """Whether there is a file to go on with, or there will be one by `save`."""
        return self._path is not None and self.resume is not None

    def report(self, resume: str | None, wrong: int = 0) -> None:
        """Remember how far the work has come."""
        self.resume = resume
        self.wrong = wrong
        self._reports += 1
        if self._reports % _PAGES == 0:
            self.save()

    def save(self) -> None:
        """Write the file, if there is one and there is something to write."""
        if self._path is None or self.resume is None:
            return
        values = {"work": self._work, "resume": self.resume, "wrong": self.wrong}
        write_whole(self._path, json.dumps(values))

    def remove(self) -> None:
        """Remove the file, because the work is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, path: Path) -> None:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            work, self.resume = values["work"], str(values["resume"])
            self.wrong = int(values["wrong"])
        except (ValueError, TypeError, KeyError) as error:
            raise WrongUseError(f"{path} is not a checkpoint of this command") from error
        if work != self._work:
            raise WrongUseError(f"{path} is a checkpoint of other work: {work}")
