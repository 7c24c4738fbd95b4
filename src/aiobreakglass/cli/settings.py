"""Choose the settings of a command: from its options, the environment, or a file."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiobreakglass import Limits, Quota, TableLayout
from aiobreakglass.cli.durations import parse_duration, spelled_duration

PREFIX: Final = "AIOBREAKGLASS_"
FILE_VARIABLE: Final = f"{PREFIX}SETTINGS"

_CONNECTION: Final = ("table", "region", "endpoint_url", "aws_profile")
"""The settings that an option or the environment may give."""

_STORE: Final = ("retention", "limits", "layout")
"""The settings that only a file may give, because all writers of a table must share them."""

_FOR_EVER: Final = "for ever"
_DEFAULT_RETENTION: Final = timedelta(days=365)

_SDK_VARIABLES: Final = {
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"),
    "aws_profile": ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
}
"""What the AWS SDK reads itself if we give it nothing."""


class Setting(NamedTuple):
    """The value of a setting, and where it is from."""

    value: Any
    origin: str


class Settings(NamedTuple):
    """The settings of one run of the command."""

    table: Setting
    region: Setting
    endpoint_url: Setting
    aws_profile: Setting
    """The AWS profile that signs requests; never the profile that an event opens."""
    retention: Setting
    limits: Setting
    layout: Setting

    def spelled(self) -> dict[str, tuple[str, str]]:
        """Return the text of each value and its origin, by the name of the setting."""
        return {
            name: (_without_password(_spelled(setting.value)), setting.origin)
            for name, setting in self._asdict().items()
        } | {"retention": (_spelled(self.retention.value, _FOR_EVER), self.retention.origin)}


def settings_file(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Return the file to read settings from; None if there is none.

    A file in the current folder is not used unless somebody names it. Otherwise a checkout could
    send the questions of the person who works in it to another table.
    """
    if given is not None:
        return given
    if name := environment.get(FILE_VARIABLE):
        return Path(name)
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "/"), ".config")
    own = Path(home, "aiobreakglass", "settings.toml")
    # A link that leads nowhere must not leave out the limits that it should bring.
    return own if os.path.lexists(own) else None


def read_file(path: Path) -> Mapping[str, Any]:
    """Return the section `tool.aiobreakglass` of a TOML file.

    Raises:
        ValueError: The file is not TOML, or has no such section.
        OSError: The file cannot be read.
    """
    try:
        section = tomllib.loads(path.read_text(encoding="utf-8"))["tool"]["aiobreakglass"]
        return dict(section)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no section [tool.aiobreakglass]") from error


def choose_settings(
    options: Mapping[str, str | None],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str = "",
) -> Settings:
    """Return each setting: its option, else its variable, else the file's value, else its default.

    Args:
        options: What the command line says, by the name of the setting.
        environment: The environment variables.
        file: The section of the settings file; empty if there is no file.
        file_name: The name of that file.

    Raises:
        ValueError: The file has a setting that does not exist, or a wrong value.
    """
    unknown = sorted(set(file) - {*_CONNECTION, *_STORE})
    if unknown:
        known = ", ".join((*_CONNECTION, *_STORE))
        raise ValueError(f"{file_name} has the unknown setting {unknown[0]!r}; there are {known}")
    chosen = {
        name: _choose(name, options.get(name), environment, file, file_name)
        for name in _CONNECTION
    }
    for name, read, default in (
        ("retention", read_retention, _DEFAULT_RETENTION),
        ("limits", read_limits, None),
        ("layout", _read_layout, None),
    ):
        chosen[name] = Setting(default, "default")
        if name in file:
            try:
                chosen[name] = Setting(read(file[name]), file_name)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} in {file_name}: {error}") from error
    return Settings(**chosen)


def read_retention(value: object) -> timedelta | None:
    """Return how long rows are kept; None, for ever, is spelled "for ever"."""
    if value == _FOR_EVER:
        return None
    return _duration(value)


def read_limits(section: object) -> Limits:
    """Return the limits of a section: durations as texts, quotas as `3 in 24h`."""
    values = dict(_section(section, Limits))
    for name in ("max_duration", "cooldown"):
        if name in values:
            values[name] = _duration(values[name])
    for name in ("per_invoker", "per_profile"):
        if name in values:
            values[name] = _quota(values[name])
    return Limits(**values)


def _read_layout(section: object) -> TableLayout:
    return TableLayout(**_section(section, TableLayout))


def _choose(
    name: str,
    option: str | None,
    environment: Mapping[str, str],
    file: Mapping[str, Any],
    file_name: str,
) -> Setting:
    variable = PREFIX + name.upper()
    if option is not None:
        if not option:
            raise ValueError(f"--{name.replace('_', '-')} must not be empty")
        return Setting(option, f"--{name.replace('_', '-')}")
    if environment.get(variable):
        return Setting(environment[variable], variable)
    if name in file:
        if not isinstance(file[name], str) or not file[name]:
            raise ValueError(f"{name} in {file_name} must be a text that is not empty")
        return Setting(file[name], file_name)
    for variable in _SDK_VARIABLES.get(name, ()):
        if environment.get(variable):
            value = _without_password(environment[variable])
            return Setting(None, f"the AWS SDK decides: {variable}={value}")
    return Setting(None, "the AWS SDK decides" if name in _SDK_VARIABLES else "not set")


def _without_password(text: str) -> str:
    """Return a URL without the name and the password in it, which is no place for them."""
    return re.sub(r"(?<=//)[^/?#]*@", "***@", text)


def _section(section: object, model: type[Limits] | type[TableLayout]) -> Mapping[str, Any]:
    if not isinstance(section, Mapping):
        raise TypeError("must be a section")
    known = [field.name for field in fields(model)]
    unknown = sorted(set(section) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is unknown; there are {', '.join(known)}")
    return section


def _duration(value: object) -> timedelta:
    if not isinstance(value, str):
        raise TypeError("must be a duration as a text, such as '1h30m'")
    return parse_duration(value)


def _quota(value: object) -> Quota:
    uses, separator, within = value.partition(" in ") if isinstance(value, str) else ("", "", "")
    if not separator or not uses.strip().isdecimal():
        raise ValueError("a quota must be a text such as '3 in 24h'")
    return Quota(int(uses), parse_duration(within))


def _spelled(value: object, none: str = "-") -> str:
    match value:
        case None:
            return none
        case timedelta():
            return spelled_duration(value)
        case Quota():
            return f"{value.uses} in {spelled_duration(value.within)}"
        case Limits() | TableLayout():
            default = type(value)()
            changed = {
                field.name: getattr(value, field.name)
                for field in fields(value)
                if getattr(value, field.name) != getattr(default, field.name)
            }
            return ", ".join(f"{name} {_spelled(one)}" for name, one in changed.items()) or "-"
        case tuple():
            return " ".join(map(str, value))
        case _:
            return str(value)
