"""Measure the operations per second of each store method, on each local DynamoDB.

`python -m benchmarks.operations` measures moto and DynamoDB Local, or with `--endpoint-url URL`
only the DynamoDB at that URL.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from time import perf_counter
from uuid import uuid4

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    create_table,
)
from aiobreakglass.testing import make_event, moto_server
from tests.backends.dynamodb_local import dynamodb_local, missing_requirement

REGION = "us-east-1"
TASKS = (1, 16)
HISTORY = 100
USE_UP_EVENTS = ("close", "delete")

Operation = Callable[[], Awaitable[object]]


class NothingLeftError(Exception):
    """No event is left for the operation."""


class Bench:
    """A store in which `alice` holds access to `prod`, and did many times before."""

    def __init__(self, store: AsyncDynamoDBStore, held: BreakGlassEvent, since: datetime) -> None:
        self._store = store
        self._held = held
        self._since = since
        self._users = count()
        self._open: list[BreakGlassEvent] = []

    @classmethod
    async def prepare(cls, store: AsyncDynamoDBStore) -> "Bench":
        since = datetime.now(UTC) - timedelta(days=1)
        for minutes in range(HISTORY):
            created_at = since + timedelta(minutes=minutes)
            await store.create(make_event(status="closed", created_at=created_at))
        return cls(store, await store.create(make_event()), since)

    def operations(self) -> dict[str, Operation]:
        store, since, held = self._store, self._since, self._held
        check = store.find_active_by_invoker_and_profile
        check_many = store.find_active_by_invoker_and_profiles
        profiles = ["prod", *(f"prod-{number}" for number in range(1, 50))]
        get_last = store.get_last_by_invoker_and_profile
        return {
            "create": self.create,
            "create, refused": self._create_refused,
            "find_active_by_..., access": lambda: check("alice", "prod"),
            "find_active_by_..., no access": lambda: check("alice", "staging"),
            "find_active_by_..., 50 profiles": lambda: check_many("alice", profiles),
            "get": lambda: store.get(held.id),
            "update": self._update,
            "close": self._close,
            "delete": self._delete,
            f"list_by_invoker ({HISTORY} events)": lambda: store.list_by_invoker("alice"),
            f"list_by_status ({HISTORY} events)": lambda: store.list_by_status("closed"),
            f"list_by_profile ({HISTORY} events)": lambda: store.list_by_profile("prod"),
            "count_by_invoker_since": lambda: store.count_by_invoker_since("alice", since),
            "count_by_profile_since": lambda: store.count_by_profile_since("prod", since),
            "get_last_by_invoker_and_profile": lambda: get_last("alice", "prod"),
        }

    async def create(self) -> None:
        event = make_event(invoker=f"user-{next(self._users)}", profile="other")
        self._open.append(await self._store.create(event))

    async def _create_refused(self) -> None:
        try:
            await self._store.create(make_event())
        except ActiveEventExistsError:
            return
        raise RuntimeError("access was stacked")

    async def _update(self) -> None:
        event = _taken_from(self._open)
        changed = event.model_copy(update={"request_id": uuid4().hex})
        self._open.append(await self._store.update(changed))

    async def _close(self) -> None:
        event = _taken_from(self._open)
        await self._store.close(event.id, closed_by="bob", closed_reason="Over")

    async def _delete(self) -> None:
        await self._store.delete(_taken_from(self._open).id)


def _taken_from(events: list[BreakGlassEvent]) -> BreakGlassEvent:
    if not events:
        raise NothingLeftError
    return events.pop()


async def rate(operation: Operation, tasks: int, seconds: float) -> float:
    """Return how many operations a second this many tasks complete together."""
    done = 0
    start = perf_counter()

    async def work() -> None:
        nonlocal done
        while perf_counter() < start + seconds:
            try:
                await operation()
            except NothingLeftError:
                return
            done += 1

    await asyncio.gather(*(work() for _ in range(tasks)))
    return done / (perf_counter() - start)


async def measure(name: str, endpoint_url: str, seconds: float) -> None:
    table = f"benchmark-{uuid4().hex}"
    session = get_session()
    session.set_credentials("local", "local")
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=endpoint_url
    ) as client:
        await create_table(client, table)
        try:
            # moto answers one request at a time, so 16 tasks wait longer than usual.
            async with AsyncDynamoDBStore.open(
                table,
                region_name=REGION,
                endpoint_url=endpoint_url,
                session=session,
                config=AioConfig(read_timeout=60),
                operation_timeout=timedelta(minutes=2),
            ) as store:
                bench = await Bench.prepare(store)
                print(f"\n{name:40}", *(f"{tasks:>4} task(s)" for tasks in TASKS))
                for label, operation in bench.operations().items():
                    rates = []
                    for tasks in TASKS:
                        if label in USE_UP_EVENTS:
                            await rate(bench.create, max(TASKS), seconds)
                        rates.append(await rate(operation, tasks, seconds))
                    print(f"{label:40}", *(f"{each:12,.0f}" for each in rates), flush=True)
        finally:
            await client.delete_table(TableName=table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Operations per second of each store method.")
    parser.add_argument("--endpoint-url", metavar="URL", help="measure only this DynamoDB")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure; default 1")
    options = parser.parse_args()
    print("operations per second")
    if options.endpoint_url:
        asyncio.run(measure(options.endpoint_url, options.endpoint_url, options.seconds))
        return
    with moto_server() as url:
        asyncio.run(measure("moto, in this process", url, options.seconds))
    if missing := missing_requirement():
        print(f"\nDynamoDB Local is left out. {missing}")
        return
    with dynamodb_local() as url:
        asyncio.run(measure("DynamoDB Local", url, options.seconds))


if __name__ == "__main__":
    main()
