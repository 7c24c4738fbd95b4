"""Where each setting is from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import Limits, Quota, TableLayout
from aiobreakglass.cli.settings import choose_settings, read_file, settings_file

NO_OPTIONS: dict[str, str | None] = {}
FILE = {"table": "of-file", "region": "eu-west-1"}


@pytest.mark.parametrize(
    ("options", "environment", "table", "origin"),
    [
        ({"table": "of-option"}, {"AIOBREAKGLASS_TABLE": "of-env"}, "of-option", "--table"),
        ({"table": None}, {"AIOBREAKGLASS_TABLE": "of-env"}, "of-env", "AIOBREAKGLASS_TABLE"),
        (NO_OPTIONS, {"AIOBREAKGLASS_TABLE": ""}, "of-file", "settings.toml"),
        (NO_OPTIONS, {}, "of-file", "settings.toml"),
    ],
)
def test_nearest_setting_wins(
    options: dict[str, str | None], environment: dict[str, str], table: str, origin: str
) -> None:
    """An option wins over the environment, and the environment over the file."""
    assert choose_settings(options, environment, FILE, "settings.toml").table == (table, origin)


@pytest.mark.parametrize(
    ("environment", "origin"),
    [
        ({}, "the AWS SDK decides"),
        ({"AWS_PROFILE": "work"}, "the AWS SDK decides: AWS_PROFILE=work"),
        (
            {"AIOBREAKGLASS_AWS_PROFILE": "ours", "AWS_PROFILE": "work"},
            "AIOBREAKGLASS_AWS_PROFILE",
        ),
    ],
)
def test_setting_of_the_sdk_is_named(environment: dict[str, str], origin: str) -> None:
    """A setting that is left to the AWS SDK says what the SDK will read."""
    assert choose_settings(NO_OPTIONS, environment, {}).aws_profile.origin == origin


def test_file_gives_what_all_writers_share(tmp_path: Path) -> None:
    """Limits, retention and layout come from the file alone: every writer needs the same."""
    path = tmp_path / "pyproject.toml"
    path.write_text(
        """
        [tool.aiobreakglass]
        table = "break-glass"
        retention = "for ever"
        [tool.aiobreakglass.limits]
        max_duration = "2h"
        cooldown = "15m"
        per_invoker = "3 in 1d"
        reason_codes = ["incident", "security"]
        require_labels = ["ticket"]
        [tool.aiobreakglass.layout]
        partition_key = "key"
        """,
        encoding="utf-8",
    )
    settings = choose_settings(NO_OPTIONS, {}, read_file(path), "pyproject.toml")
    assert settings.retention.value is None
    assert settings.limits.value == Limits(
        max_duration=timedelta(hours=2),
        cooldown=timedelta(minutes=15),
        per_invoker=Quota(3, timedelta(days=1)),
        reason_codes=["incident", "security"],
        require_labels=["ticket"],
    )
    assert settings.layout.value == TableLayout(partition_key="key")
    assert settings.spelled() == {
        "table": ("break-glass", "pyproject.toml"),
        "region": ("-", "the AWS SDK decides"),
        "endpoint_url": ("-", "the AWS SDK decides"),
        "aws_profile": ("-", "the AWS SDK decides"),
        "retention": ("for ever", "pyproject.toml"),
        "limits": (
            "max_duration 2h, cooldown 15m, per_invoker 3 in 1d, "
            "reason_codes incident security, require_labels ticket",
            "pyproject.toml",
        ),
        "layout": ("partition_key key", "pyproject.toml"),
    }


def test_password_in_a_url_is_not_shown() -> None:
    """People paste what `--show-settings` prints."""
    url = "http://alice:secret@127.0.0.1:8000/a@b"
    spelled = choose_settings({"endpoint_url": url}, {}, {}).spelled()
    assert spelled["endpoint_url"] == ("http://***@127.0.0.1:8000/a@b", "--endpoint-url")
    spelled = choose_settings(NO_OPTIONS, {"AWS_ENDPOINT_URL": url}, {}).spelled()
    assert "secret" not in str(spelled)


def test_defaults_are_those_of_the_store() -> None:
    settings = choose_settings(NO_OPTIONS, {}, {})
    assert settings.retention == (timedelta(days=365), "default")
    assert settings.limits == (None, "default")
    assert settings.table == (None, "not set")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ({"tabel": "x"}, "unknown setting 'tabel'"),
        ({"table": 5}, "table in f must be a text"),
        ({"region": ""}, "region in f must be a text that is not empty"),
        ({"retention": 365}, "retention in f: must be a duration as a text"),
        ({"retention": "a year"}, "retention in f: must be a duration"),
        ({"limits": "none"}, "limits in f: must be a section"),
        ({"limits": {"cooldwon": "1m"}}, "limits in f: 'cooldwon' is unknown"),
        ({"limits": {"cooldown": "0s"}}, "limits in f: cooldown must be longer than 0"),
        ({"limits": {"per_invoker": 3}}, "limits in f: a quota must be"),
        ({"limits": {"per_invoker": "three in 1d"}}, "limits in f: a quota must be"),
        ({"limits": {"per_invoker": "99 in 1d"}}, "limits in f: uses must be 1 to 90"),
        ({"layout": {"guard_prefix": ""}}, "layout in f: guard_prefix must be"),
    ],
)
def test_wrong_file_names_the_setting(file: dict[str, Any], reason: str) -> None:
    """A typing mistake is refused: it must not leave a rule out silently."""
    with pytest.raises(ValueError, match=reason):
        choose_settings(NO_OPTIONS, {}, file, "f")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tool = 3", r"has no section \[tool.aiobreakglass\]"),
        ("[tool.other]", r"has no section \[tool.aiobreakglass\]"),
        ("[tool]\naiobreakglass = 'x'", r"has no section \[tool.aiobreakglass\]"),
        ("not toml", "is not a TOML file"),
        ("\x00", "is not a TOML file"),
    ],
)
def test_file_that_has_no_settings_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        read_file(path)


def test_file_of_the_current_folder_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout must not send the questions of the person who works in it to another table."""
    (tmp_path / "pyproject.toml").write_text("[tool.aiobreakglass]\ntable = 'trap'\n")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    assert settings_file(None, {"HOME": str(home)}) is None
    own = home / ".config" / "aiobreakglass" / "settings.toml"
    own.parent.mkdir(parents=True)
    own.write_text("[tool.aiobreakglass]\n")
    assert settings_file(None, {"HOME": str(home)}) == own
    own.unlink()
    own.symlink_to("nowhere")
    assert settings_file(None, {"HOME": str(home)}) == own, "its limits must not be left out"
    named = {"HOME": str(home), "AIOBREAKGLASS_SETTINGS": "pyproject.toml"}
    assert settings_file(None, named) == Path("pyproject.toml")
    assert settings_file(Path("other.toml"), named) == Path("other.toml")
