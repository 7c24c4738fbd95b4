"""Run the command in the process of the test, which spares an interpreter for each call."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from aiobotocore.session import get_session

from aiobreakglass import BreakGlassEvent
from aiobreakglass.cli import main
from tests.documents.pages import ROOT, Page

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION: Final = "us-east-1"


PAGE: Final = Page(ROOT / "docs" / "cli.md")
_CODE: Final = re.compile("`([^`]+)`")


class Ran(NamedTuple):
    """What a run of the command left; what programs read must be as the documentation says."""

    arguments: tuple[str, ...]
    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What a program reads with `--json`."""
        objects = [json.loads(line) for line in self.out.splitlines()]
        for values in objects:
            check_documented(self.arguments, values)
        return objects

    @property
    def failure(self) -> dict[str, Any]:
        """What a program reads with `--json` on standard error."""
        values: dict[str, Any] = json.loads(self.err)
        documented = set(_CODE.findall(PAGE.section("For programs").partition("\n| ")[0]))
        assert values.keys() <= documented
        assert values.keys() >= {"error", "status", "message", "outcome_unknown"}
        assert values["status"] == self.status
        return values


def check_documented(arguments: Sequence[str], values: Mapping[str, object]) -> None:
    """Assert that an object has the members that the documentation gives for the verb."""
    words = [word for word in arguments if not word.startswith("-")]
    verb = " ".join(words[: 2 if words[:1] == ["table"] else 1])
    if "--show-settings" in arguments:
        verb = "--show-settings"
    (row,) = (row for row in PAGE.rows("For programs") if f"`{verb}`" in row[0])
    members = set(_CODE.findall(row[2]))
    if "events.jsonl" in members:
        members = {*BreakGlassEvent.model_fields, "grants_access"}
        assert {"id", "status", "grants_access"} <= values.keys() <= members
    elif verb == "check":
        assert set(values) == (members if values["access"] else {"access"})
    else:
        assert values.keys() == members


class Command:
    """The command, run without a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int | None = None) -> Ran:
        """Run it with these arguments; if a status is given, it must end with that."""
        self._capsys.readouterr()
        ran = Ran(arguments, main(arguments), *self._capsys.readouterr())
        assert status in (None, ran.status), ran
        return ran


def by_hand(endpoint_url: str, work: Callable[[DynamoDBClient], Awaitable[object]]) -> None:
    """Do what another program would do to a table."""

    async def run() -> None:
        async with get_session().create_client(
            "dynamodb", region_name=REGION, endpoint_url=endpoint_url
        ) as client:
            await work(client)

    asyncio.run(run())
