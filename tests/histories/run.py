"""Let processes play a history on its own table, and judge it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from aiobotocore.session import get_session

from tests.dynamodb.tables import new_table
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.histories.check import check
from tests.histories.evidence import final_versions, inspect
from tests.histories.plan import FaultMix, History
from tests.histories.record import Call

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

    from aiobreakglass._aws.transaction import Item

REGION: Final = "eu-central-1"
ROOT: Final = Path(__file__).parents[2]
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
NO_SETTINGS: Final = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}

_LONGEST_LINE: Final = 1 << 20


State = dict[str, int]


@dataclass
class Figures:
    """What was tried, and with what results."""

    keeps_failures: bool = True
    """Whether a history with a violation is written to a file."""
    histories: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    widest_search: int = 0
    """How many nodes the longest search visited."""


class Worker:
    """One process of `tests.histories.worker`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def play(self, **order: Any) -> list[Call]:
        """Play the part of one process in a history."""
        await self._send({"do": "play", **order})
        calls = []
        while (line := await self._line()) != b"{}\n":
            calls.append(Call.from_json(line))
        return calls

    async def state(self) -> State:
        """Ask for memory, in bytes, and open sockets."""
        await self._send({"do": "tell state"})
        state: State = json.loads(await self._line())
        return state

    async def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {await self._process.wait()}")
        return line


@asynccontextmanager
async def workers(number: int, *, mutant: str | None = None) -> AsyncIterator[list[Worker]]:
    """Run this many processes, until the block ends."""
    options = [] if mutant is None else ["--mutant", mutant]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.histories.worker",
            *options,
            cwd=ROOT,
            env={**ours, **CREDENTIALS, **NO_SETTINGS},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        for _ in range(number)
    ]
    try:
        for process in processes:
            # Its first line says that it is ready.
            assert process.stdout is not None
            await process.stdout.readline()
        yield [Worker(process) for process in processes]
    finally:
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        await asyncio.gather(*(process.wait() for process in processes))


class Ground:
    """A place to play histories: a backend, and a proxy in front of it."""

    def __init__(self, backend: str, client: DynamoDBClient, proxy: FaultProxy) -> None:
        self._backend = backend
        self._client = client
        self._proxy = proxy

    async def play(self, history: History, workers: list[Worker], figures: Figures) -> list[str]:
        """Play a history, add to the figures, and return what was wrong."""
        table_name = await new_table(self._client)
        self._proxy.plan = FaultMix(history.seed, figures.faults)
        url = self._proxy.url if history.faults else self._backend
        parts = await asyncio.gather(
            *(
                worker.play(history=asdict(history), process=process, table=table_name, url=url)
                for process, worker in enumerate(workers)
            )
        )
        # No write may arrive after the table was read.
        await self._proxy.settle()
        self._proxy.exchanges.clear()
        rows = await self._rows(table_name)
        await self._client.delete_table(TableName=table_name)
        return _judge(history, [call for part in parts for call in part], rows, figures)

    async def _rows(self, table_name: str) -> list[Item]:
        paginator = self._client.get_paginator("scan")
        pages = paginator.paginate(TableName=table_name, ConsistentRead=True)
        return [cast("Item", item) async for page in pages for item in page["Items"]]


@asynccontextmanager
async def ground(backend: str) -> AsyncIterator[Ground]:
    """Prepare a backend for histories."""
    async with (
        get_session().create_client(
            "dynamodb",
            region_name=REGION,
            endpoint_url=backend,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        ) as client,
        fault_proxy(backend) as proxy,
    ):
        yield Ground(backend, client, proxy)


def _judge(history: History, calls: list[Call], rows: list[Item], figures: Figures) -> list[str]:
    problems = inspect(calls, rows, history.limits)
    # A history with findings needs no search, which takes longest if no order exists.
    verdicts = [] if problems else check(calls, final_versions(rows))
    problems += [
        verdict.problem for verdict in verdicts if verdict.problem and not verdict.undecided
    ]
    undecided = [verdict.problem for verdict in verdicts if verdict.undecided]
    if problems or undecided:
        kept = f", kept in {_kept(calls, rows)}" if figures.keeps_failures else ""
        figures.violations += [f"{history}{kept}: {problem}" for problem in problems]
        figures.undecided += [f"{history}{kept}: {problem}" for problem in undecided]
    figures.histories += 1
    figures.calls.update(call.kind for call in calls)
    figures.answers.update(call.answer for call in calls)
    figures.widest_search = max(
        [figures.widest_search, *(verdict.visited for verdict in verdicts)]
    )
    return problems


def _kept(calls: list[Call], rows: list[Item]) -> str:
    """Write a history to a file for people to read, and return its path."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="history-", suffix=".jsonl", delete=False
    ) as file:
        file.writelines(f"{call.to_json()}\n" for call in calls)
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    return file.name
