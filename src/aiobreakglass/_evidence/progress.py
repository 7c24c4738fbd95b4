"""Report how far long work has come, and hand out what it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

from aiobreakglass._domain.finding import Finding

ROWS: Final = "rows"
"""What `Reports` counts besides the findings of each severity."""


class ScanProgress(NamedTuple):
    """How far a pass over a table has come."""

    rows: int
    """How many rows have been read, those before a resumed pass included."""
    findings: tuple[Finding, ...] = ()
    """What was found since the last report."""
    resume: str | None = None
    """Pass this as `resume` to the function that reported it, to continue from here. None from
    `export_events`, which keeps it in its folder. It has the keys of some rows, so it is as
    confidential as the table. It does not grow with the table or with the findings."""
    errors: int = 0
    """How many findings were errors so far, those before a resumed pass included."""
    warnings: int = 0
    """How many were warnings."""


OnProgress = Callable[[ScanProgress], Awaitable[object]]


class Reports:
    """Hands out what a pass finds as it finds it, and counts it.

    Args:
        on_progress: What is awaited with each report.
        counts: What an earlier pass had counted, on which this one goes on.
        keep_findings: Whether the findings are kept in `findings` as well.
    """

    def __init__(
        self, on_progress: OnProgress | None, counts: Mapping[str, int], *, keep_findings: bool
    ) -> None:
        self.findings: list[Finding] = []
        self.counts: Counter[str] = Counter(counts)
        self._on_progress = on_progress
        self._keeps = keep_findings

    async def report(
        self, findings: Sequence[Finding], resume: Callable[[Mapping[str, int]], str]
    ) -> None:
        """Hand out some findings.

        Args:
            findings: Counted here; everything else is in `counts` already.
            resume: Returns the text with which another pass goes on, given the counts.
        """
        self.counts.update(finding.severity for finding in findings)
        if self._keeps:
            self.findings += findings
        if self._on_progress is not None:
            await self._on_progress(
                ScanProgress(
                    self.counts[ROWS],
                    tuple(findings),
                    resume(self.counts),
                    self.counts["error"],
                    self.counts["warning"],
                )
            )


def check_keep_findings(keep_findings: bool, on_progress: OnProgress | None) -> bool:
    """Return whether findings are kept, or raise if nobody would get them."""
    if not isinstance(keep_findings, bool):
        raise TypeError(f"keep_findings must be a bool, not {type(keep_findings).__name__}")
    if not keep_findings and on_progress is None:
        raise ValueError("keep_findings=False needs on_progress, which gets the findings")
    return keep_findings
