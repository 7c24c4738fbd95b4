"""Work that goes on after an interruption."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aiobreakglass.cli.checkpoint import Checkpoint
from aiobreakglass.cli.statuses import WrongUseError


def test_interrupted_work_goes_on_where_it_was(tmp_path: Path) -> None:
    """The file has how much was found before, because a resumed audit does not repeat it."""
    path = tmp_path / "audit.checkpoint"
    first = Checkpoint(path, "audit break-glass")
    assert first.resume is None
    first.report("after the first page", 1)
    first.report("after the second page", 3)
    assert not path.exists()
    assert first.is_kept
    first.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = Checkpoint(path, "audit break-glass")
    assert (second.resume, second.wrong) == ("after the second page", 3)
    second.remove()
    assert list(tmp_path.iterdir()) == []


def test_long_work_is_kept_before_it_is_interrupted(tmp_path: Path) -> None:
    """A process that is killed cannot write, so the file is written now and then."""
    path = tmp_path / "audit.checkpoint"
    checkpoint = Checkpoint(path, "audit break-glass")
    for page in range(25):
        checkpoint.report(f"page {page}")
    assert Checkpoint(path, "audit break-glass").resume == "page 19"


def test_work_that_has_not_begun_leaves_no_file(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "audit.checkpoint", "audit break-glass").save()
    assert list(tmp_path.iterdir()) == []


def test_work_without_a_file_is_only_remembered() -> None:
    checkpoint = Checkpoint(None, "audit break-glass")
    checkpoint.report("page", 1)
    checkpoint.save()
    checkpoint.remove()
    assert (checkpoint.wrong, checkpoint.is_kept) == (1, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a checkpoint"),
        ("[]", "is not a checkpoint"),
        ('{"work": "audit other", "resume": "x", "wrong": 0}', "of other work: audit other"),
        ('{"work": "audit break-glass", "resume": "x", "wrong": "many"}', "is not a checkpoint"),
    ],
)
def test_file_of_other_work_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """The progress of one table says nothing about another."""
    path = tmp_path / "audit.checkpoint"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WrongUseError, match=reason):
        Checkpoint(path, "audit break-glass")
