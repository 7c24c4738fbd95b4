"""Assemble the command from its verbs, and run it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Final

import typer
import typer.main

import aiobreakglass
from aiobreakglass.cli.declaring import show_settings, with_common_options
from aiobreakglass.cli.invocation import Common
from aiobreakglass.cli.output import Output, silence
from aiobreakglass.cli.statuses import Failure, Status
from aiobreakglass.cli.verbs import access, demo, evidence, lists, oversight, table, upkeep

NAME: Final = "aiobreakglass"

_HELP: Final = """Open, check, close and review emergency access, and verify its record.

Exit status: 0 yes or done; 1 the answer is no; 2 wrong use; 3 it could not be told; 4 a rule
refused.
"""


def build() -> typer.Typer:
    """Return the whole command."""
    app = typer.Typer(
        name=NAME,
        help=_HELP,
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(with_common_options(_without_verb))
    for family in (access, lists, oversight, evidence, upkeep, table):
        family.add_to(app)
    demo.add_to(app, run)
    return app


@cache
def _command() -> Callable[..., Any]:
    """Return the command as typer runs it; making it takes longer than most calls of it."""
    return typer.main.get_command(build())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal of another encoding shows an escape instead of failing.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _command()(arguments, prog_name=NAME, standalone_mode=False)
    except typer.TyperException as error:
        _print_usage(error, sys.argv[1:] if arguments is None else arguments)
        return Status.WRONG_USE
    except typer.Abort:
        typer.echo(f"{NAME}: interrupted; nothing was written", err=True)
        return Status.INTERRUPTED
    except SystemExit as error:
        # Of completion, or because the reader of the help is gone. It never means "no".
        return Status.COULD_NOT_TELL if error.code == 1 else int(error.code or 0)
    finally:
        _flush()
    return int(status or Status.DONE)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"{NAME} {aiobreakglass.__version__}")
        raise typer.Exit(Status.DONE)


def _without_verb(
    ctx: typer.Context,
    common: Common,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        return
    if common.show_settings:
        raise typer.Exit(show_settings(common))
    ctx.get_help()  # prints it
    raise typer.Exit(Status.WRONG_USE)


def _print_usage(error: typer.TyperException, arguments: Sequence[str]) -> None:
    context = getattr(error, "ctx", None)
    path = NAME if context is None else context.command_path
    kind, message = type(error).__name__, error.format_message().replace("Value error, ", "")
    failure = Failure(Status.WRONG_USE, kind, message, f"See: {path} --help")
    # The options could not be read, so this is all that is known of them.
    Output(is_json="--json" in arguments, is_utc=False).failure(failure)


def _flush() -> None:
    """Write out what is buffered, or drop it if nobody reads it any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # That was reported, or nobody reads it any more. Python would try again at its end,
            # and change the exit status.
            silence(stream)
