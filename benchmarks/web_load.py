"""Put examples/web_backend under the load of 200 clients that ask "am I allowed?": `nox -s load`.

The application runs as in production, under uvicorn in its own process, with an
`AsyncDynamoDBStore` on the chosen backend. Everything stays on this machine. Any answer that is
not a yes with the right event is an error, and any error makes this program fail. Needs Linux.
"""

import argparse
import asyncio
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

import aiohttp
from aiobotocore.session import get_session

from aiobreakglass import AsyncDynamoDBStore, create_table
from aiobreakglass.testing import make_event, moto_server
from benchmarks.stub import HELD
from tests.backends.dynamodb_local import dynamodb_local

EXAMPLES = Path(__file__).parents[1] / "examples"
REGION = "eu-central-1"
TABLE = "breakglass"
WARM_UP = 5
"""The number of requests of each client before the measurement starts."""
LONGEST_WAIT = 30
"""Seconds after which a request without an answer is an error."""
LONGEST_START = 120
"""Seconds that the application may take to start or end, because the machine may be busy."""

BACKENDS = {
    "stub": "a stub over HTTPS that answers each request as DynamoDB would, after {delay} ms",
    "dynamodb-local": "Amazon's DynamoDB Local, in memory",
    "moto": "moto in this process, which serves one request at a time",
}


@contextmanager
def backend(name: str, delay: int) -> Iterator[str]:
    """Start the backend that stands in for DynamoDB, and yield its URL."""
    if name == "stub":
        # Import it here, because it needs the packages of all contestants.
        from benchmarks.client_cpu import stub

        # The clients and the application share the other cores.
        with stub(max(os.sched_getaffinity(0))) as url:
            yield f"{url}{delay}"
    else:
        with dynamodb_local() if name == "dynamodb-local" else moto_server() as url:
            asyncio.run(prepare(url))
            yield url


async def prepare(url: str) -> None:
    """Make the table, and open the access that the stub has from the start."""
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=url
    ) as client:
        await create_table(client, TABLE)
        await AsyncDynamoDBStore(client, TABLE).create(make_event(id=HELD.id))


@contextmanager
def application(endpoint_url: str) -> Iterator[str]:
    """Run the web backend as a deployment does, and yield its URL."""
    settings = {
        "BREAKGLASS_TABLE_NAME": TABLE,
        "BREAKGLASS_REGION_NAME": REGION,
        "BREAKGLASS_ENDPOINT_URL": endpoint_url,
        "BREAKGLASS_CURSOR_KEY": secrets.token_hex(16),
        # The requests need a signed-in person.
        "BREAKGLASS_DEMO_SIGN_IN": "true",
    }
    with tempfile.TemporaryDirectory() as folder:
        # While nobody reads it, a pipe would fill up and block the application.
        log = Path(folder, "log")
        with log.open("w") as output:
            process = subprocess.Popen(  # noqa: S603 - our own application
                [
                    *(sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES)),
                    *("--factory", "web_backend.app:create_app"),
                    *("--host", "127.0.0.1", "--port", "0", "--no-access-log"),
                ],
                env=os.environ | settings,
                stderr=output,
            )
        try:
            deadline = perf_counter() + LONGEST_START
            while not (url := re.search(r"running on (http://\S+)", log.read_text())):
                if process.poll() is not None or perf_counter() > deadline:
                    sys.exit(f"the application has not started:\n{log.read_text()}")
                sleep(0.05)
            yield url[1]
        finally:
            process.terminate()
            process.wait(LONGEST_START)
            lines = log.read_text().splitlines()
            complaints = [line for line in lines if not line.startswith("INFO:")]
            print(*complaints[:20], sep="\n", end="\n" if complaints else "")


class Tally:
    """The results of the requests."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.milliseconds: list[float] = []
        self.errors: Counter[str] = Counter()

    def percentile(self, share: float) -> float:
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def ask(session: aiohttp.ClientSession, url: str) -> str | None:
    """Ask once, and return what was wrong with the answer, if anything."""
    try:
        async with session.get(url) as response:
            if response.status != 200:
                return f"status {response.status}"
            answer = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return type(error).__name__
    if answer["allowed"] is not True or answer["event_id"] != HELD.id:
        return "the wrong answer"
    return None


async def client(
    url: str, ready: asyncio.Barrier, end: "asyncio.Future[float]", tally: Tally
) -> None:
    """Ask again after each answer, on one connection."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Cookie": "demo_person=alice"},
        timeout=aiohttp.ClientTimeout(total=LONGEST_WAIT),
    ) as session:
        for _ in range(WARM_UP):
            if (error := await ask(session, url)) is not None:
                tally.errors[error] += 1
        await ready.wait()
        last = await end
        while (start := perf_counter()) < last and tally.budget > 0:
            tally.budget -= 1
            error = await ask(session, url)
            tally.milliseconds.append((perf_counter() - start) * 1000)
            if error is not None:
                tally.errors[error] += 1


async def load(url: str, clients: int, seconds: float, requests: int) -> tuple[Tally, float]:
    """Return the results of the requests, and how many seconds they took."""
    tally = Tally(requests)
    ready = asyncio.Barrier(clients + 1)
    end: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client(f"{url}/api/access?profile=prod", ready, end, tally))
        await ready.wait()
        start = perf_counter()
        end.set_result(start + seconds)
    return tally, perf_counter() - start


def main(options: argparse.Namespace) -> None:
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    # Reach this machine's own ports without its proxy.
    os.environ["NO_PROXY"] = "127.0.0.1"
    with backend(options.backend, options.delay) as endpoint_url, application(endpoint_url) as url:
        tally, seconds = asyncio.run(load(url, options.clients, options.seconds, options.requests))
    report(tally, seconds, options)


def report(tally: Tally, seconds: float, options: argparse.Namespace) -> None:
    """Print the figures, and end the program if there were errors or no requests."""
    done = len(tally.milliseconds)
    if not done:
        sys.exit("not one request was made")
    print(
        f"{options.clients} clients for {seconds:.1f} s at GET /api/access of one uvicorn process,"
    )
    print("AsyncDynamoDBStore on " + BACKENDS[options.backend].format(delay=options.delay) + ";")
    print(f"all of it, the clients too, on {len(os.sched_getaffinity(0))} cores.\n")
    print("| requests | a second | p50 | p95 | p99 | errors |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    p50, p95, p99 = (f"{tally.percentile(share):.0f} ms" for share in (0.5, 0.95, 0.99))
    print(f"| {done} | {done / seconds:.0f} | {p50} | {p95} | {p99} | {tally.errors.total()} |")
    if tally.errors:
        sys.exit(f"\nerrors: {dict(tally.errors)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", choices=BACKENDS, default="stub")
    parser.add_argument(
        "--delay", type=int, default=4, help="of the stub, in milliseconds; default 4"
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--requests", type=int, default=500_000, help="the most requests")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
