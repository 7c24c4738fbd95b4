"""Say what an export has; all pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, get_args

from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._evidence.anchor import ANCHOR
from aiobreakglass._evidence.formats import Format, Spelling

What = Literal["events", "history"]

ALL_FORMATS: Final[tuple[Format, ...]] = get_args(Format)


class Plan(NamedTuple):
    """What an export has."""

    table_name: str
    layout: TableLayout
    what: What
    since: datetime | None
    until: datetime | None
    formats: Sequence[Format]
    spelling: Spelling

    def covers(self, instant: datetime) -> bool:
        """Return whether the range has an instant."""
        return (self.since is None or self.since <= instant) and (
            self.until is None or instant < self.until
        )

    @property
    def names(self) -> list[str]:
        """The names of the files, in the order in which they get them; the manifest's is last."""
        return [ANCHOR, *map(self.name_of, self.formats)]

    def name_of(self, kind: Format) -> str:
        """Return the name of a file of records."""
        return f"{self.what}.{kind}"

    @property
    def range(self) -> dict[str, Any]:
        """What a manifest says about the records that it covers."""
        return {
            "what": self.what,
            "since": None if self.since is None else encode_time(self.since),
            "until": None if self.until is None else encode_time(self.until),
            "justifications": self.spelling.has_justifications,
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """What must be the same in a call that continues an export."""
        return {
            "name": self.table_name,
            "layout": asdict(self.layout),
            **self.range,
            "formats": list(self.formats),
        }
