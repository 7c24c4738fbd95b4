"""The verb that shows the others: demo."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import typer

from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.invocation import Common, Invocation
from aiobreakglass.cli.statuses import Status, WrongUseError

PANEL: Final = "Learn"

_TABLE: Final = "break-glass-demo"

Run = Callable[[Sequence[str]], int]
"""Runs the command with these arguments in this process, and returns its status."""


class _Step(NamedTuple):
    story: str
    command: str
    """With `ID` where the id of the event belongs."""


_OPEN: Final = (
    "open prod --invoker alice --reason-code incident "
    "--justification 'The primary database does not answer' --label ticket=INC-4711"
)

_BEFORE: Final = (
    _Step("A table, made once.", "table create"),
    _Step("Three in the morning: Alice needs the profile prod.", _OPEN),
)
_STORY: Final = (
    _Step("Does she hold it? Programs ask the same, by the exit status.", "check alice prod"),
    _Step("She cannot open it twice.", _OPEN),
    _Step("Who holds what right now?", "list"),
    _Step(
        "It takes longer.",
        "extend ID --for 30m --by carol --reason 'The replica is still copying'",
    ),
    _Step("Done early.", "close ID --closed-by bob --reason 'The replica has taken over'"),
    _Step("Closed access is closed.", "check alice prod"),
    _Step("What waits for a review?", "list --awaiting-review"),
    _Step(
        "Nobody reviews their own use.",
        "review ID --by alice --outcome justified --comment 'I had to'",
    ),
    _Step(
        "Somebody else does.",
        "review ID --by carol --outcome justified --comment 'Seen in the incident channel'",
    ),
    _Step("Everything that happened, with who and why:", "history ID"),
    _Step("Was anything altered?", "verify ID"),
)
_ALTERED: Final = _Step(
    "Now somebody with access to the table rewrites the reason, around the library.", "verify ID"
)
_UNPROTECTED: Final = (
    _Step("And somebody takes the deletion protection off the table.", "table verify"),
    _Step("Repair what takes nothing away.", "table harden --yes"),
)


def add_to(app: typer.Typer, run_command: Run) -> None:
    """Add this verb to the command.

    Args:
        app: The command.
        run_command: Runs the command, which the story does again and again.
    """

    def demo(run: Invocation) -> Status:
        """Tell a story with most verbs, on a DynamoDB in this process.

        It touches nothing outside.
        """
        return _demonstrate(run, run_command)

    verb(app, "demo", panel=PANEL, writes=False)(demo)


def _demonstrate(run: Invocation, run_command: Run) -> Status:
    if run.output.is_json:
        raise WrongUseError("demo is for people, and has no --json")
    try:
        run.output.note("Starting a DynamoDB in this process.")
        from aiobreakglass.testing import moto_server

        with moto_server() as url, _environment(url):
            _tell(run, run_command)
    except ImportError as error:
        raise WrongUseError(
            "demo needs a DynamoDB of its own: pip install 'aiobreakglass[cli,testing]'"
        ) from error
    return Status.DONE


def _tell(run: Invocation, run_command: Run) -> None:
    for step in _BEFORE:
        _take(run, run_command, step, "")
    # The options of this run, such as an address, are not for the story.
    inside = Invocation(Common())
    event_id = inside.run(_event_id(inside))
    for step in _STORY:
        _take(run, run_command, step, event_id)
    inside.run(_alter(inside, event_id))
    _take(run, run_command, _ALTERED, event_id)
    inside.run(_unprotect(inside))
    for step in _UNPROTECTED:
        _take(run, run_command, step, event_id)


def _take(run: Invocation, run_command: Run, step: _Step, event_id: str) -> None:
    words = [event_id if word == "ID" else word for word in shlex.split(step.command)]
    run.output.say(f"# {step.story}", "italic")
    run.output.say(f"$ aiobreakglass {shlex.join(words)}", "bold")
    status = run_command(words)
    if status in (Status.INTERRUPTED, Status.TERMINATED):
        raise KeyboardInterrupt
    if status != Status.DONE:
        run.output.say(f"(exit status {int(status)})", "dim")
    run.output.say("")


async def _event_id(inside: Invocation) -> str:
    async with inside.store() as store:
        (event,) = await store.list_by_invoker("alice")
        return event.id


async def _alter(inside: Invocation, event_id: str) -> None:
    async with inside.client() as client:
        await client.update_item(
            TableName=_TABLE,
            Key={"pk": {"S": f"BREAKGLASS#{event_id}"}},
            UpdateExpression="SET justification = :other",
            ExpressionAttributeValues={":other": {"S": "Nothing happened, nothing to see here"}},
        )


async def _unprotect(inside: Invocation) -> None:
    async with inside.client() as client:
        await client.update_table(TableName=_TABLE, DeletionProtectionEnabled=False)


@contextmanager
def _environment(endpoint_url: str) -> Iterator[None]:
    """Let every command of the story use the DynamoDB at this address, and no real account."""
    before = dict(os.environ)
    for name in before:
        if name.startswith(("AWS_", "AIOBREAKGLASS_")):
            del os.environ[name]
    os.environ |= {
        "AIOBREAKGLASS_TABLE": _TABLE,
        "AIOBREAKGLASS_REGION": "us-east-1",
        "AIOBREAKGLASS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # A proxy could not reach this machine's ports.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        # Nor does a settings file of the user's belong to the story.
        "XDG_CONFIG_HOME": os.devnull,
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
