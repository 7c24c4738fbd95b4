"""A worker that marks lapsed break-glass events expired, until SIGTERM or SIGINT.

    python examples/expiry_worker.py --table break-glass --region eu-west-1

You can run several workers at the same time: exactly one of them marks each event, and prints it
as one line of JSON. After a signal the worker finishes its current event, and then ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, run_expiry

logger = logging.getLogger("expiry_worker")


async def announce(event: BreakGlassEvent) -> None:
    """Print the event. Notify a reviewer here instead."""
    print(
        json.dumps(
            {
                "expired": event.id,
                "invoker": event.invoker,
                "profile": event.profile,
                "expires_at": event.expires_at.isoformat(),
            }
        ),
        flush=True,
    )


async def main(options: argparse.Namespace) -> None:
    """Run until a signal arrives."""
    worker = asyncio.create_task(work(options))
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, worker.cancel)
    with suppress(asyncio.CancelledError):
        await worker
    logger.info("stopped")


async def work(options: argparse.Namespace) -> NoReturn:
    """Mark lapsed events expired, for ever."""
    async with AsyncDynamoDBStore.open(
        options.table, region_name=options.region, endpoint_url=options.endpoint_url
    ) as store:
        logger.info("watching table %s", options.table)
        await run_expiry(store, interval=timedelta(seconds=options.interval), on_expired=announce)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--region", help="default: AWS_DEFAULT_REGION or the config file")
    parser.add_argument("--endpoint-url", help="for example of an emulator")
    parser.add_argument("--interval", type=float, default=60, help="seconds between two passes")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(parse_arguments()))
