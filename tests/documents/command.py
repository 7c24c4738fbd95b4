"""The reference of the command, generated from the command itself.

`python -m tests.documents.command` writes the page anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer.main

from aiobreakglass.cli.app import build
from aiobreakglass.cli.invocation import Common
from tests.documents.pages import ROOT

PAGE: Final = ROOT / "docs" / "cli-reference.md"

_INTRODUCTION: Final = """\
# Reference of the command

This page is generated from the command itself, so it says what `--help` says.
[The command](cli.md) shows how to use it. The options of [all verbs](#every-verb) are at the end.
"""


def reference() -> str:
    """Return the page."""
    command: Any = typer.main.get_command(build())
    parts = [_INTRODUCTION]
    parts += _of_group(command, "aiobreakglass")
    common = [option for option in command.params if option.name in Common._fields]
    parts.append("## Every verb\n")
    parts.append(
        "These options may stand in front of the verb or behind it. The one behind it wins.\n"
    )
    parts.append(_table("option", [(_names(option), _help(option)) for option in common]))
    own = [option for option in command.params if option.name not in Common._fields]
    parts.append("Without a verb there are also:\n")
    parts.append(_table("option", [(_names(option), _help(option)) for option in own]))
    return "\n".join(parts)


def _of_group(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _of_group(command, f"{path} {name}")
        else:
            yield from _of_verb(command, f"{path} {name}")


def _of_verb(command: Any, path: str) -> Iterator[str]:
    own = [parameter for parameter in command.params if parameter.name not in Common._fields]
    arguments = [parameter for parameter in own if parameter.param_type_name == "argument"]
    options = [parameter for parameter in own if parameter.param_type_name == "option"]
    usage = [path, *(["[OPTIONS]"] if options else []), *map(_in_usage, arguments)]
    yield f"## {path.removeprefix('aiobreakglass ')}\n"
    yield f"`{' '.join(usage)}`\n"
    yield f"{command.help}\n"
    if own:
        rows = [(f"`{argument.metavar}`", _help(argument)) for argument in arguments]
        rows += [(_names(option), _help(option)) for option in options]
        yield _table("argument or option", rows)


def _in_usage(argument: Any) -> str:
    return str(argument.metavar if argument.required else f"[{argument.metavar}]")


def _names(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    choices = option.type_descriptor.choices
    if option.metavar:
        return f"{names} `{option.metavar}`"
    if choices:
        return f"{names} {', '.join(f'`{_text(choice)}`' for choice in choices)}"
    return names


def _help(parameter: Any) -> str:
    default = parameter.default
    if default is None or default is False or parameter.required:
        return str(parameter.help)
    shown = _text(default)
    if default is True:
        shown = parameter.opts[0]
    return f"{parameter.help} Default: `{shown}`."


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {heading} | meaning |", "| --- | --- |"]
    lines += [f"| {names} | {text} |" for names, text in rows]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
