"""Audit, export and verify a real table of 50,000 rows, and print the peak memory of each step.

`python -m benchmarks.real_table` fills a table on DynamoDB Local (which needs npm and Java) with
rows as `benchmarks.whole_table` makes them up. The first entry of each hundredth event is missing.
The export is interrupted in the middle, and continued.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from aiobreakglass import (
    ScanProgress,
    audit_table,
    create_table,
    export_events,
    verify_anchor,
)
from benchmarks.whole_table import MEGABYTE, NOW, ROWS_OF_AN_EVENT, damaged_rows_of
from tests.backends.dynamodb_local import dynamodb_local

NAME = "whole"


async def on_a_real_table(url: str, rows: int) -> None:
    """Do everything on a table of a server, and print the peak memory before and after."""
    config = AioConfig(retries={"mode": "standard"})
    options: Any = {"region_name": "us-east-1", "endpoint_url": url, "config": config}
    keys: Any = {"aws_access_key_id": "k", "aws_secret_access_key": "s"}
    async with get_session().create_client("dynamodb", **options, **keys) as client:
        await create_table(client, NAME)
        events = -(-rows // ROWS_OF_AN_EVENT)
        waiting = (row for number in range(events) for row in damaged_rows_of(number).values())
        while batch := list(islice(waiting, 25)):
            puts: Any = [{"PutRequest": {"Item": row}} for row in batch]
            answer = await client.batch_write_item(RequestItems={NAME: puts})
            assert not answer["UnprocessedItems"]
        print(f"filled: {_peak():.0f} MB", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            await _whole_way(client, Path(folder), events)


async def _whole_way(client: Any, folder: Path, events: int) -> None:
    last, stop_at = ScanProgress(0), events

    async def note(progress: ScanProgress) -> None:
        nonlocal last
        last = progress
        if progress.rows > stop_at:
            raise InterruptedError

    try:
        await export_events(client, NAME, folder, resumable=True, on_progress=note)
    except InterruptedError:
        print(f"export stopped after {last.rows:,} rows: {_peak():.0f} MB", flush=True)
    stop_at = sys.maxsize
    manifest = await export_events(client, NAME, folder, resumable=True, on_progress=note)
    print(f"export done after {last.rows:,} rows: {_peak():.0f} MB", flush=True)
    await audit_table(client, NAME, now=NOW, on_progress=note, keep_findings=False)
    print(f"audited {last.rows:,} rows, {last.errors} errors: {_peak():.0f} MB", flush=True)
    await verify_anchor(client, NAME, manifest, now=NOW, on_progress=note, keep_findings=False)
    print(
        f"verified {last.rows:,} lines and rows, {last.errors} errors: {_peak():.0f} MB",
        flush=True,
    )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_table")
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    with dynamodb_local() as url:
        asyncio.run(on_a_real_table(url, options.rows))


if __name__ == "__main__":
    main()
