"""What a call costs its process in CPU time, beside other ways to make it: `nox -s bench`.

Everything talks HTTPS to a stub on the other core, which answers the same each time; all
contestants take their turns in each round of one run, and the figures are ratios of medians.
Needs Linux and two cores.
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
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import trustme

from aiobreakglass import AsyncDynamoDBStore
from benchmarks.contestants import Contestant, contestants

CALLS = {"find_active": 60, "list_by_invoker": 12, "create": 60}
"""How many calls of each kind a round has."""


@contextmanager
def stub(cpu: int) -> Iterator[str]:
    """Run the stub on one core, and trust its certificate; yields its URL."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(f"{folder}/authority.pem")
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(f"{folder}/server.pem")
        os.environ["AWS_CA_BUNDLE"] = f"{folder}/authority.pem"
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.stub", f"{folder}/server.pem", str(cpu)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield f"https://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.terminate()
            process.wait()


async def rounds(
    entrants: dict[str, Contestant], kind: str, number: int
) -> dict[str, list[float]]:
    """Return the microseconds of CPU per call of each contestant, a figure a round."""
    figures: dict[str, list[float]] = {name: [] for name in entrants}
    for turn in range(-1, number):
        for name, contestant in entrants.items():
            call = contestant.calls[kind]
            start = time.process_time()
            for _ in range(CALLS[kind]):
                await call()
            spent = (time.process_time() - start) / CALLS[kind] * 1e6
            if turn >= 0:  # The round before the first one warms up.
                figures[name].append(spent)
        gc.collect()
    return figures


async def throughput(contestant: Contestant, tasks: int, seconds: float) -> float:
    """Return how many checks a second so many tasks make together."""
    done = 0
    end = time.perf_counter() + seconds

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await contestant.calls["find_active"]()
            done += 1

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(tasks)))
    return done / (time.perf_counter() - start)


async def latencies(url: str, tasks: int, calls: int) -> list[float]:
    """Return how long each check takes, in milliseconds, where each answer takes 4 ms."""
    taken: list[float] = []
    async with AsyncDynamoDBStore.open(
        "breakglass", region_name="eu-central-1", endpoint_url=f"{url}4"
    ) as store:

        async def work() -> None:
            for _ in range(calls):
                start = time.perf_counter()
                assert await store.find_active_by_invoker_and_profile("alice", "prod")
                taken.append((time.perf_counter() - start) * 1000)

        await asyncio.gather(*(work() for _ in range(tasks)))
    return taken


def told(kind: str, figures: dict[str, list[float]], *, stock: str, floor: str) -> None:
    """Print one table of medians and ratios."""
    medians = {name: statistics.median(values) for name, values in figures.items()}
    print(f"\n| {kind} | us of CPU | times as fast as stock | times the floor |")
    print("| --- | ---: | ---: | ---: |")
    for name, median in medians.items():
        print(
            f"| {name} | {median:.0f} | {medians[stock] / median:.2f} "
            f"| {median / medians[floor]:.2f} |"
        )


async def main(number: int) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("two cores are needed: one for the client, one for the stub")
    os.sched_setaffinity(0, {cpus[0]})
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with stub(cpus[1]) as url:
        async with AsyncExitStack() as stack:
            entrants = await contestants(stack, url)
            for kind in CALLS:
                taking_part = {
                    name: entrant for name, entrant in entrants.items() if kind in entrant.calls
                }
                figures = await rounds(taking_part, kind, number)
                told(kind, figures, stock="stock aiobotocore + models", floor="the floor")
            print("\n| find_active, 32 tasks | operations a second |\n| --- | ---: |")
            for name, entrant in entrants.items():
                print(f"| {name} | {await throughput(entrant, 32, 2):.0f} |")
        taken = sorted(await latencies(url, 256, 20))
        median, last = statistics.median(taken), taken[int(len(taken) * 0.99)]
        print("\n| find_active, 256 tasks, answers after 4 ms | |\n| --- | ---: |")
        print(f"| checks, all answered | {len(taken)} |\n| p99 / p50 | {last / median:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    asyncio.run(main(parser.parse_args().rounds))
