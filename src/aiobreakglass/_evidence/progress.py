"""Report how far long work has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiobreakglass._domain.finding import Finding


class ScanProgress(NamedTuple):
    """How far a pass over a table has come."""

    rows: int
    """How many rows have been read, those before a resumed pass included."""
    findings: tuple[Finding, ...] = ()
    """What was found since the last report."""
    resume: str | None = None
    """Pass this to `audit_table` as `resume` to continue from here. None if the function cannot
    resume. It has the keys of some rows, so it is as confidential as the table."""


OnProgress = Callable[[ScanProgress], Awaitable[object]]
