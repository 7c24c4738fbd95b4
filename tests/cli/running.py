"""Run the command in the process of the test, which spares an interpreter for each call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest
from aiobotocore.session import get_session

from aiobreakglass.cli import main

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION: Final = "us-east-1"


class Ran(NamedTuple):
    """What a run of the command left."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What a program reads with `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def failure(self) -> dict[str, Any]:
        """What a program reads with `--json` on standard error."""
        values: dict[str, Any] = json.loads(self.err)
        return values


class Command:
    """The command, run without a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int | None = None) -> Ran:
        """Run it with these arguments; if a status is given, it must end with that."""
        self._capsys.readouterr()
        ran = Ran(main(arguments), *self._capsys.readouterr())
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
