"""Files that the command writes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aiobreakglass.cli.files import write_whole


def test_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "timeline.svg"
    write_whole(path, "old")
    write_whole(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such devices")
def test_device_stays_a_device(tmp_path: Path) -> None:
    """`--svg /dev/stdout` prints the drawing: it must not replace the machine's device."""
    pipe = tmp_path / "stdout"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(pipe, "drawing")
        assert os.read(reading, 100) == b"drawing"
    finally:
        os.close(reading)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_link_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    link.symlink_to(path)
    write_whole(link, "new")
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == "new"


def test_missing_folder_is_named_as_it_was_given(tmp_path: Path) -> None:
    """The name of the unfinished file says nothing to a person."""
    path = tmp_path / "nowhere" / "timeline.svg"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(path, "")
    assert caught.value.filename == str(path)
