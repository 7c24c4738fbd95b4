"""Write the files of an export, so that it can be interrupted anywhere and continued."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from aiobreakglass import _randomness
from aiobreakglass._aws.transaction import Item
from aiobreakglass._domain.errors import CorruptItemError
from aiobreakglass._domain.timestamps import encode_time
from aiobreakglass._dynamodb.codec import decode_event, is_tombstone
from aiobreakglass._dynamodb.record import decode_entry
from aiobreakglass._dynamodb.scan import Scan
from aiobreakglass._evidence.anchor import ANCHOR, FORMAT, MANIFEST, anchored, encode_line
from aiobreakglass._evidence.files import (
    UnfinishedFile,
    make_folder,
    remove,
    sync_folder,
)
from aiobreakglass._evidence.formats import Record
from aiobreakglass._evidence.judgments import place_of
from aiobreakglass._evidence.plan import Plan
from aiobreakglass._evidence.progress import ROWS
from aiobreakglass._evidence.unfinished import UNFINISHED, Unfinished, read_unfinished

_UNREADABLE: Final = "unreadable"
PAGES: Final = 20
"""After how many pages it is written down how far the export has come."""


class Export:
    """Writes the files of one export; every method blocks.

    Args:
        plan: What the export has.
        folder: Where its files go.
        started_at: When it begins, unless it began earlier.
        is_resumable: Whether it continues an unfinished one, and can be continued itself.
    """

    def __init__(
        self, plan: Plan, folder: Path, started_at: datetime, *, is_resumable: bool
    ) -> None:
        self.counts: Counter[str] = Counter()
        """How many rows have been read, and how many of these are unreadable."""
        self._plan = plan
        self._folder = folder
        self._is_resumable = is_resumable
        self._files: dict[str, UnfinishedFile] = {}
        self._manifest: UnfinishedFile | None = None
        self._scan: Scan
        self._pages = 0
        # Its own token, so that no other export in the folder writes to the same files.
        self._now = Unfinished(plan.arguments, encode_time(started_at), _randomness.token(8))
        """How far the files have come, up to a whole page."""
        self._saved: Unfinished | None = None
        """What the folder says about that."""

    @property
    def manifest(self) -> Path:
        """The path of the manifest."""
        return self._folder / MANIFEST

    def begin(self, scan_from: Callable[[str | None], Scan]) -> Scan | None:
        """Return the pass over the table that is to be made; None if the export is complete.

        Args:
            scan_from: Returns the pass that goes on from a text; it raises `ValueError` if there
                is no such pass.
        """
        make_folder(self._folder)
        earlier = read_unfinished(self._folder) if self._is_resumable else None
        scan = None if earlier is None else _scan_of(earlier, scan_from)
        if self.manifest.exists() and self._is_complete(earlier, scan):
            return None
        self._check_folder()
        if earlier is not None:
            self._check_arguments(earlier)
            # At once, so that they never become many, however often calls stop here.
            earlier = earlier._replace(others=self._left_of(earlier.others))
        if earlier is None or scan is None or not self._continue(earlier, scan):
            scan = scan_from(None)
            self._begin_anew(earlier)
        self._scan = scan
        self._note()
        if self._is_resumable:
            self._save()
            self._now = self._now._replace(others=self._left_of(self._now.others))
        return scan

    def add(self, rows: Sequence[Item]) -> None:
        """Write what belongs to the export."""
        lines: list[bytes] = []
        records: list[Record] = []
        for row in rows:
            key = row[self._plan.layout.partition_key]["S"]
            place = place_of(key, self._plan.layout)
            if place == "event":
                event_id = key.removeprefix(self._plan.layout.event_prefix)
                lines.append(encode_line(anchored(event_id, row, self._plan.layout)))
            record = self._record(key, row, place)
            if record is not None:
                records.append(record)
        self._files[ANCHOR].write(b"".join(lines), len(lines))
        for kind in self._plan.formats:
            spell = self._plan.spelling.lines if kind == "jsonl" else self._plan.spelling.rows
            self._files[self._plan.name_of(kind)].write(spell(records), len(records))
        self.counts[ROWS] += len(rows)
        self._note()
        self._pages += 1
        if self._is_resumable and self._pages % PAGES == 0:
            self._save()

    def complete(self) -> None:
        """Give all files their names, the manifest last."""
        for file in self._files.values():
            file.finish()
        self._check_folder()
        if self._is_resumable:
            self._save()
        manifest = UnfinishedFile(self._folder, MANIFEST, self._now.token)
        manifest.create()
        self._manifest = manifest
        manifest.write(self._description(self._now, self.counts))
        manifest.finish()
        for file in self._files.values():
            file.publish()
        sync_folder(self._folder)
        manifest.publish()
        sync_folder(self._folder)
        if self._is_resumable:
            self._clean_up(self._now.others)

    def discard(self) -> None:
        """Remove all files, the manifest first."""
        if self._manifest is not None:
            self._manifest.discard()
        for file in reversed(self._files.values()):
            file.discard()
        if self._is_saved:
            remove(self._folder / UNFINISHED)

    def keep(self) -> None:
        """Leave what another call can go on with, and remove the rest."""
        if self._manifest is not None and not self._manifest.is_published:
            self._manifest.discard()
        with suppress(OSError):
            if self._now.files:
                self._save()
        if not self._is_saved:
            self.discard()
        for file in self._files.values():
            with suppress(OSError):
                file.close()

    @property
    def _is_saved(self) -> bool:
        """Whether the folder tells of the files of this call."""
        return self._saved is not None and self._saved.token == self._now.token

    def _begin_anew(self, earlier: Unfinished | None) -> None:
        others = () if earlier is None else (earlier.token, *earlier.others)
        self._now = self._now._replace(others=others)
        if self._is_resumable:
            # Before the files, so that there is never a file that nobody knows of.
            self._save()
        for name in self._plan.names:
            self._create(name)
        if "csv" in self._plan.formats:
            header = self._plan.spelling.header(of_history=self._plan.what == "history")
            self._files[self._plan.name_of("csv")].write(header)

    def _continue(self, earlier: Unfinished, scan: Scan) -> bool:
        """Take over the files of an earlier call; return whether they are as it left them."""
        if [written.name for written in earlier.files] != self._plan.names:
            return False
        is_whole = self._find(earlier) if scan.is_done else self._copy(earlier)
        if is_whole:
            self._now = self._now._replace(started_at=earlier.started_at)
            self.counts = Counter(scan.counts)
        return is_whole

    def _find(self, earlier: Unfinished) -> bool:
        """Take over files that are complete, some of them perhaps with their names."""
        files = {
            written.name: UnfinishedFile(self._folder, written.name, earlier.token)
            for written in earlier.files
        }
        if not all(files[written.name].find(written) for written in earlier.files):
            return False
        # The call that made them may have stopped while it wrote this one.
        remove(UnfinishedFile(self._folder, MANIFEST, earlier.token).temporary)
        self._files = files
        self._now = self._now._replace(token=earlier.token, others=earlier.others)
        self._saved = earlier
        return True

    def _copy(self, earlier: Unfinished) -> bool:
        """Begin with what is whole of an earlier call's files.

        They are copied, because their call may be at work still: it must not write to these.
        """
        others = (self._now.token, *earlier.others)
        earlier._replace(others=others).save(self._folder, self._now.token)
        for written in earlier.files:
            source = UnfinishedFile(self._folder, written.name, earlier.token).temporary
            if not self._create(written.name).copy(source, written):
                for file in self._files.values():
                    file.discard()
                return False
        self._now = self._now._replace(others=(earlier.token, *earlier.others))
        return True

    def _create(self, name: str) -> UnfinishedFile:
        file = UnfinishedFile(self._folder, name, self._now.token)
        file.create()
        self._files[name] = file
        return file

    def _note(self) -> None:
        """Note that a page is whole."""
        files = tuple(file.written for file in self._files.values())
        self._now = self._now._replace(scan=self._scan.resume(self.counts), files=files)

    def _save(self) -> None:
        if self._now == self._saved:
            return
        for file in self._files.values():
            file.sync()
        self._now.save(self._folder, self._now.token)
        self._saved = self._now

    def _left_of(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Remove files that nobody needs any more, and return the tokens of those that stay."""
        return tuple(token for token in tokens if not all(map(remove, self._temporaries(token))))

    def _temporaries(self, token: str) -> list[Path]:
        names = (*self._plan.names, MANIFEST)
        return [UnfinishedFile(self._folder, name, token).temporary for name in names]

    def _clean_up(self, tokens: Sequence[str]) -> None:
        """Remove everything but the files of the export, which is complete."""
        are_gone = [remove(path) for path in self._folder.glob(f"{UNFINISHED}.*.partial")]
        if all(are_gone) and not self._left_of(tokens):
            remove(self._folder / UNFINISHED)

    def _is_complete(self, earlier: Unfinished | None, scan: Scan | None) -> bool:
        """Return whether the manifest in the folder is that of an earlier call."""
        if earlier is None or scan is None or not scan.is_done:
            return False
        if self.manifest.read_bytes() != self._description(earlier, scan.counts):
            return False
        self._clean_up([earlier.token, *earlier.others])
        return True

    def _check_folder(self) -> None:
        if self.manifest.exists():
            raise FileExistsError(f"{self._folder} has an export; choose another folder")

    def _check_arguments(self, earlier: Unfinished) -> None:
        arguments = self._plan.arguments
        others = [name for name in arguments if earlier.arguments.get(name) != arguments[name]]
        if others:
            raise ValueError(
                f"{self._folder} has an unfinished export with another {' and '.join(others)}; "
                "finish that with its own arguments, or choose another folder"
            )

    def _description(self, unfinished: Unfinished, counts: Mapping[str, int]) -> bytes:
        """Return the content of the manifest."""
        (anchor, *files) = (
            {
                "name": written.name,
                "size": written.size,
                "sha256": written.sha256,
                "count": written.records,
            }
            for written in unfinished.files
        )
        values = {
            "format": FORMAT,
            "table": self._plan.table_name,
            "started_at": unfinished.started_at,
            "rows": counts.get(ROWS, 0),
            **self._plan.range,
            "unreadable": counts.get(_UNREADABLE, 0),
            "files": files,
            "anchor": anchor,
        }
        return json.dumps(values, indent=2).encode() + b"\n"

    def _record(self, key: str, row: Item, place: str | None) -> Record | None:
        """Return the event or the entry of a row, if the export has it."""
        plan = self._plan
        try:
            if place == "event" and plan.what == "events" and not is_tombstone(row):
                event = decode_event(row, plan.layout)
                return event if plan.covers(event.created_at) else None
            if place == "history" and plan.what == "history":
                entry = decode_entry(row, key)
                # Other writers' texts may have what no file can have.
                entry.entry.encode()
                return entry if plan.covers(entry.at) else None
        except (CorruptItemError, UnicodeEncodeError):
            self.counts[_UNREADABLE] += 1
        return None


def _scan_of(earlier: Unfinished, scan_from: Callable[[str | None], Scan]) -> Scan | None:
    """Return the pass of an earlier call; None if it cannot go on."""
    try:
        return scan_from(earlier.scan) if earlier.files else None
    except ValueError:
        return None
