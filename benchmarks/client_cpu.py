"""Compare the CPU time of a call with other ways to make the same call: `nox -s bench`.

All contestants talk HTTPS to a stub on the other core, which always gives the same answers. They
take turns in each round of a run, and the figures are ratios of medians. Needs Linux and two
cores.
"""

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import trustme
from aiobotocore.config import AioConfig

from aiobreakglass import AsyncDynamoDBStore
from benchmarks import imports, targets, wire
from benchmarks.contestants import (
    REGION,
    TABLE,
    Contestant,
    aiodynamo,
    floor,
    stock,
    stock_in_batches,
    store,
)
from benchmarks.pynamo import pynamo
from benchmarks.targets import AIODYNAMO, FLOOR, OURS, PLAIN_AIODYNAMO, PLAIN_STOCK, STOCK

CALLS = {
    "find_active": 60,
    "find_active_of_50": 3,
    "list_by_invoker": 12,
    "create": 60,
    "create_with_limits": 30,
}
"""The number of calls of each kind in a round."""

PARTS = (*CALLS, "throughput", "latency", "import")


@contextmanager
def stub(cpu: int) -> Iterator[str]:
    """Run the stub on one core, trust its certificate, and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        os.environ["AWS_CA_BUNDLE"] = f"{folder}/authority.pem"
        with stub_process(cpu, f"{folder}/server.pem") as port:
            yield f"https://127.0.0.1:{port}/"


@contextmanager
def stub_process(cpu: int, *certificate: str) -> Iterator[int]:
    """Run the stub on one core, over HTTP if it has no certificate, and yield its port."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.stub", str(cpu), *certificate],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


async def contestants(stack: AsyncExitStack, url: str) -> dict[str, Contestant]:
    """Open all contestants until the stack ends, and check that they do the same work."""
    with_models, plain = await stock(stack, url)
    configured, _ = await stock(
        stack,
        url,
        AioConfig(
            parameter_validation=False, retries={"mode": "standard"}, user_agent="breakglass"
        ),
    )
    aiodynamo_with_models, aiodynamo_plain = await aiodynamo(stack, url)
    entrants = {
        STOCK: with_models,
        f"{STOCK}, configured": configured,
        f"{STOCK}, in batches": await stock_in_batches(stack, url),
        PLAIN_STOCK: plain,
        "aiopynamodb, its own models": await pynamo(stack, url),
        AIODYNAMO: aiodynamo_with_models,
        PLAIN_AIODYNAMO: aiodynamo_plain,
        f"{OURS}, standard": await store(stack, url, "standard"),
        OURS: await store(stack, url, "fast"),
    }
    await wire.check(url, entrants, STOCK)
    return entrants | {FLOOR: await floor(stack, url, await wire.sent(url, plain))}


def who_makes(kind: str, entrants: dict[str, Contestant]) -> dict[str, Contestant]:
    """Return the contestants that make this kind of call."""
    return {name: entrant for name, entrant in entrants.items() if kind in entrant.calls}


async def in_turns(
    entrants: dict[str, Contestant],
    number: int,
    measure: Callable[[Contestant], Awaitable[float]],
) -> dict[str, float]:
    """Measure each contestant once a round, and return the medians."""
    figures: dict[str, list[float]] = {name: [] for name in entrants}
    for turn in range(-1, number):
        for name, contestant in entrants.items():
            # Or a contestant would pay for the garbage of the one before it.
            gc.collect()
            figure = await measure(contestant)
            if turn >= 0:  # The round before the first one warms up.
                figures[name].append(figure)
    return {name: statistics.median(values) for name, values in figures.items()}


async def cpu_time(kind: str, contestant: Contestant) -> float:
    """Return the microseconds of CPU that a call takes."""
    call = contestant.calls[kind]
    start = time.process_time()
    for _ in range(CALLS[kind]):
        await call()
    return (time.process_time() - start) / CALLS[kind] * 1e6


async def throughput(tasks: int, seconds: float, contestant: Contestant) -> float:
    """Return how many checks a second this many tasks make together."""
    done = 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await contestant.calls["find_active"]()
            done += 1

    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(work())
    return done / (time.perf_counter() - start)


async def latencies(url: str, tasks: int, calls: int) -> tuple[list[float], int]:
    """Return the milliseconds of each check with a stub that answers after 4 ms, and the errors.

    The tasks start together on a store without any connection.
    """
    taken: list[float] = []
    failed = 0

    async def work(store: AsyncDynamoDBStore) -> None:
        nonlocal failed
        for _ in range(calls):
            start = time.perf_counter()
            try:
                found = await store.find_active_by_invoker_and_profile("alice", "prod")
            except Exception as error:  # noqa: BLE001 - counted, whatever it is
                print(repr(error), file=sys.stderr)
                failed += 1
            else:
                assert found is not None
                taken.append((time.perf_counter() - start) * 1000)

    async with (
        AsyncDynamoDBStore.open(TABLE, region_name=REGION, endpoint_url=f"{url}4") as store,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(tasks):
            group.create_task(work(store))
    return taken, failed


def tell(kind: str, medians: dict[str, float]) -> None:
    """Print one table of medians and ratios."""
    print(f"\n| {kind} | us of CPU | times as fast as stock | times the floor |")
    print("| --- | ---: | ---: | ---: |")
    for name, median in medians.items():
        print(
            f"| {name} | {median:.0f} | {medians[STOCK] / median:.2f} "
            f"| {median / medians[FLOOR]:.2f} |"
        )


async def calls(url: str, number: int, parts: list[str]) -> list[targets.Target]:
    """Measure calls in sequence and concurrently, and return their targets."""
    found: list[targets.Target] = []
    async with AsyncExitStack() as stack:
        entrants = await contestants(stack, url)
        medians: dict[str, dict[str, float]] = {}
        for kind in CALLS:
            if kind in parts or (kind == "find_active" and "throughput" in parts):
                medians[kind] = await in_turns(
                    who_makes(kind, entrants), number, partial(cpu_time, kind)
                )
                tell(kind, medians[kind])
                found += targets.of_calls(kind, medians[kind])
        if "throughput" in parts:
            checking = who_makes("find_active", entrants)
            rates = await in_turns(checking, number, partial(throughput, 32, 0.3))
            print("\n| find_active, 32 tasks | operations a second |\n| --- | ---: |")
            for name, rate in rates.items():
                print(f"| {name} | {rate:.0f} |")
            found.append(targets.of_throughput(medians["find_active"], rates))
    if "latency" in parts:
        taken, failed = await latencies(url, 256, 20)
        percentiles = statistics.quantiles(taken, n=100)
        ratio = percentiles[98] / percentiles[49]
        print("\n| find_active, 256 tasks, answers after 4 ms | |\n| --- | ---: |")
        print(f"| answered | {len(taken)} |\n| failed | {failed} |\n| p99 / p50 | {ratio:.2f} |")
        found += targets.of_latencies(failed, ratio)
    return found


def import_costs(number: int) -> list[targets.Target]:
    """Measure imports, and return their targets."""
    medians = imports.import_times(number)
    reference = next(iter(medians.values()))
    print("\n| import | times pydantic with one model |\n| --- | ---: |")
    for name, median in medians.items():
        print(f"| {name} | {median / reference:.2f} |")
    return list(
        targets.of_imports(
            medians,
            imports.imported_sdks("import aiobreakglass"),
            imports.imported_sdks("from aiobreakglass import *"),
        )
    )


def main(number: int, parts: list[str]) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("two cores are needed: one for the client, one for the stub")
    os.sched_setaffinity(0, {cpus[0]})
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    found: list[targets.Target] = []
    if parts != ["import"]:
        with stub(cpus[1]) as url:
            found += asyncio.run(calls(url, number, parts))
    if "import" in parts:
        found += import_costs(number)
    targets.tell(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", choices=PARTS, action="append", help="may be given repeatedly")
    arguments = parser.parse_args()
    main(arguments.rounds, arguments.only or list(PARTS))
