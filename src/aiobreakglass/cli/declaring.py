"""Declare verbs: functions that become commands with the common options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from aiobreakglass.cli.invocation import Common, Invocation
from aiobreakglass.cli.output import Output
from aiobreakglass.cli.settings import FILE_VARIABLE, PREFIX
from aiobreakglass.cli.statuses import Status, failure_of
from aiobreakglass.cli.tables import Column

_Parameters = ParamSpec("_Parameters")
Verb = Callable[Concatenate[Invocation, _Parameters], Status | None]

_PANEL: Final = "Settings and output"


def _common(text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=_PANEL, show_default=False)


# The names and the types are those of `Common`.
_COMMON: Final[dict[str, Any]] = {
    "table": Annotated[
        str | None, _common(f"The table's name or ARN. Also {PREFIX}TABLE.", "--table")
    ],
    "region": Annotated[str | None, _common(f"The AWS region. Also {PREFIX}REGION.", "--region")],
    "endpoint_url": Annotated[
        str | None,
        _common(
            f"Another DynamoDB, such as an emulator. Also {PREFIX}ENDPOINT_URL.", "--endpoint-url"
        ),
    ],
    "aws_profile": Annotated[
        str | None,
        _common(
            "The profile in your AWS settings that signs requests; not the profile that an event "
            f"opens. Also {PREFIX}AWS_PROFILE.",
            "--aws-profile",
        ),
    ],
    "settings": Annotated[
        Path | None,
        _common(
            "A TOML file with a section [tool.aiobreakglass]. "
            f"Also {FILE_VARIABLE}; otherwise ~/.config/aiobreakglass/settings.toml.",
            "--settings",
        ),
    ],
    "show_settings": Annotated[
        bool, _common("Show each setting and where it is from, and do nothing.", "--show-settings")
    ],
    "json": Annotated[bool, _common("Print one JSON object a line, for programs.", "--json")],
    "utc": Annotated[
        bool, _common("Show and read times in UTC instead of the local zone.", "--utc")
    ],
}


def verb(
    app: typer.Typer, name: str, *, panel: str, writes: bool = True
) -> Callable[[Verb[_Parameters]], Verb[_Parameters]]:
    """Add a function to the command as a verb, with the common options.

    Args:
        app: Where to add it.
        name: The verb.
        panel: The heading of its group in the help.
        writes: Whether it may write to the table, so that an interruption leaves a doubt.
    """

    def declare(function: Verb[_Parameters]) -> Verb[_Parameters]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        # Typer gives the values by name, which no type can say.
        untyped: Callable[..., Status | None] = function

        def command(ctx: typer.Context, **values: Any) -> None:
            common = _given(ctx, {option: values.pop(option) for option in _COMMON})
            raise typer.Exit(_carry_out(common, lambda run: untyped(run, **values), writes=writes))

        _set_parameters(command, own)
        command.__doc__ = function.__doc__
        app.command(name, rich_help_panel=panel)(command)
        return function

    return declare


def with_common_options(
    callback: Callable[Concatenate[typer.Context, Common, _Parameters], None],
) -> Callable[..., None]:
    """Return a callback of the whole command that takes the common options before the verb."""
    own = list(inspect.signature(callback, eval_str=True).parameters.values())[2:]
    untyped: Callable[..., None] = callback

    def command(ctx: typer.Context, **values: Any) -> None:
        common = ctx.obj = Common(**{option: values.pop(option) for option in _COMMON})
        untyped(ctx, common, **values)

    _set_parameters(command, own)
    command.__doc__ = callback.__doc__
    return command


def show_settings(common: Common) -> Status:
    """Print each setting and where it is from."""
    return _carry_out(common._replace(show_settings=True), lambda _: None, writes=False)


def _set_parameters(command: Any, own: list[inspect.Parameter]) -> None:
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", keyword, annotation=typer.Context)]
    parameters += [parameter.replace(kind=keyword) for parameter in own]
    parameters += [
        inspect.Parameter(
            name, keyword, default=Common._field_defaults[name], annotation=annotation
        )
        for name, annotation in _COMMON.items()
    ]
    command.__signature__ = inspect.Signature(parameters)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _given(ctx: typer.Context, values: dict[str, Any]) -> Common:
    """Return the common options, those after the verb before those in front of it."""
    before = ctx.find_root().obj
    earlier = before if isinstance(before, Common) else Common()
    return earlier._replace(
        **{name: value for name, value in values.items() if value != Common._field_defaults[name]}
    )


def _carry_out(
    common: Common, function: Callable[[Invocation], Status | None], *, writes: bool
) -> Status:
    """Run a verb, print how it failed if it did, and return the exit status."""
    invocation: Invocation | None = None
    try:
        invocation = Invocation(common)
        if common.show_settings:
            _show_settings(invocation)
            return Status.DONE
        return function(invocation) or Status.DONE
    except (typer.Exit, typer.Abort, typer.TyperException):
        raise
    except BaseException as error:  # noqa: BLE001 - each has its status, also a crash of our own
        has_begun = invocation is not None and invocation.has_begun
        failure = failure_of(error, may_have_written=writes and has_begun)
        # The status stays the answer, also if standard error is a full disk.
        with suppress(OSError):
            Output(is_json=common.json, is_utc=common.utc).failure(failure)
        return failure.status


def _show_settings(invocation: Invocation) -> None:
    spelled = invocation.settings.spelled()
    invocation.output.objects(
        {"setting": name, "value": value, "origin": origin}
        for name, (value, origin) in spelled.items()
    )
    invocation.output.rows(
        [Column("setting"), Column("value", narrowest=16), Column("from", narrowest=16)],
        [(name, value, origin) for name, (value, origin) in spelled.items()],
    )
