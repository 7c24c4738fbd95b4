"""Measure a cold start, from the start of a process to its first answered check.

`python -m benchmarks.cold_start` starts whole programs in turn, one with stock aiobotocore and one
with this library, over HTTP and over HTTPS. Needs Linux.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from botocore.httpsession import get_cert_path

from benchmarks import targets, wire
from benchmarks.client_cpu import stub_process
from benchmarks.contestants import http_session
from benchmarks.targets import OURS, STOCK

PROGRAMS = {STOCK: "benchmarks.cold_stock", OURS: "benchmarks.cold_store"}


@contextmanager
def stub(scheme: str, cpu: int) -> Iterator[str]:
    """Run the stub on one core, add it to botocore's trusted certificates, and yield its URL."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        certificate = Path(folder) / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(certificate)
        )
        # The bundle has its usual size, because reading it is part of a cold start.
        bundle = Path(folder) / "authorities.pem"
        usual = Path(str(get_cert_path(True))).read_bytes()
        bundle.write_bytes(usual + authority.cert_pem.bytes())
        os.environ["AWS_CA_BUNDLE"] = str(bundle)
        given = [str(certificate)] if scheme == "HTTPS" else []
        with stub_process(cpu, *given) as port:
            yield f"{scheme.lower()}://127.0.0.1:{port}/"


def start(module: str, url: str) -> tuple[float, float]:
    """Return the wall-clock and CPU milliseconds to a program's first answered check."""
    begin = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        cpu = process.stdout.readline()
        end = time.perf_counter()
    assert process.returncode == 0, f"{module} failed"
    return (end - begin) * 1e3, float(cpu) * 1e3


async def check(url: str) -> None:
    """Raise unless the programs send the same requests; these first runs also write bytecode."""
    async with http_session() as session:
        sent = []
        for module in PROGRAMS.values():
            await wire.requests(url, session)
            await asyncio.to_thread(start, module, url)
            sent.append(wire.plain(await wire.requests(url, session)))
    assert sent[0] == sent[1], f"{list(PROGRAMS)} send {sent}"


def measure(scheme: str, url: str, number: int) -> list[targets.Target]:
    """Start the programs in turn, print the medians and return their targets."""
    asyncio.run(check(url))
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    for _ in range(number):
        for name, module in PROGRAMS.items():
            figures[name].append(start(module, url))
    times, cpu = (
        {name: statistics.median(pair[index] for pair in pairs) for name, pairs in figures.items()}
        for index in range(2)
    )
    print(f"\n| cold start over {scheme} | ms | of stock's | ms of CPU | of stock's |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in PROGRAMS:
        print(
            f"| {name} | {times[name]:.0f} | {times[name] / times[STOCK]:.2f} "
            f"| {cpu[name]:.0f} | {cpu[name] / cpu[STOCK]:.2f} |"
        )
    return list(targets.of_cold_starts(scheme, times, cpu))


def main(number: int) -> None:
    cpu = max(os.sched_getaffinity(0))
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    found: list[targets.Target] = []
    with tempfile.TemporaryDirectory() as folder:
        # If the environment forbids bytecode, compiling would be most of a start.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        for scheme in ("HTTP", "HTTPS"):
            with stub(scheme, cpu) as url:
                found += measure(scheme, url, number)
    targets.tell(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    main(parser.parse_args().rounds)
