"""Verbs that read the whole table: what they print, and how they go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import Finding, ScanProgress, StoreUnavailableError
from aiobreakglass._evidence.progress import OnProgress
from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.output import Output
from aiobreakglass.cli.settings import choose_settings
from aiobreakglass.cli.statuses import Status, failure_of
from aiobreakglass.cli.verbs import evidence


def finding(kind: str, severity: Any = "error") -> Finding:
    return Finding(severity, kind, "event e5ee23033c0b4ce7", "this", "that", "look")


class Run:
    """A run of the command that asks no server."""

    table = "break-glass"
    settings = choose_settings({}, {}, {})

    @property
    def output(self) -> Output:
        return Output(is_json=False, is_utc=True)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[None]:
        yield

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def is_ours(*_: object) -> None:
        pass

    monkeypatch.setattr(evidence, "refuse_foreign_table", is_ours)
    return Run()


def test_reading_that_is_interrupted_shows_each_finding_once(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was shown before an interruption counts, and is not shown again."""
    resumes: list[str | None] = []

    async def read(
        _: object, *, resume: str | None, on_progress: OnProgress, **__: object
    ) -> list[Finding]:
        resumes.append(resume)
        if resume is None:
            await on_progress(ScanProgress(10, (finding("first"), finding("left out")), "page 1"))
            assert "first" in capsys.readouterr().out
            raise StoreUnavailableError("throttled")
        await on_progress(ScanProgress(20, (), "page 2"))
        return [finding("counted", "info")]

    path = tmp_path / "checkpoint"
    with pytest.raises(StoreUnavailableError) as caught:
        evidence._read_all(run, Checkpoint(path, "audit t"), "rows", 1, read, {"left out"})
    assert failure_of(caught.value).advice == (
        "Repeat the command with the same --checkpoint: it goes on from there."
    )
    status = evidence._read_all(run, Checkpoint(path, "audit t"), "rows", 1, read, {"left out"})
    printed = capsys.readouterr()
    assert (status, resumes) == (Status.NO, [None, "page 1"])
    assert "counted" in printed.out
    assert "first" not in printed.out
    assert printed.err.splitlines() == [
        "Before the interruption: 1 finding.",
        "1 finding",
    ]
    assert not path.exists()


def test_reading_without_a_checkpoint_gives_no_false_advice(run: Any) -> None:
    """Nothing goes on if nothing was kept."""

    async def read(_: object, *, on_progress: OnProgress, **__: object) -> list[Finding]:
        await on_progress(ScanProgress(10, (), "page 1"))
        raise StoreUnavailableError("throttled")

    with pytest.raises(StoreUnavailableError) as caught:
        evidence._read_all(run, Checkpoint(None, "audit t"), "rows", 1, read)
    assert failure_of(caught.value).advice == ""
