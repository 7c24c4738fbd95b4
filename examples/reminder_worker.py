"""A worker that reminds people of overdue reviews, until SIGTERM or SIGINT.

    python examples/reminder_worker.py --table break-glass --region eu-west-1

You can run several workers at the same time: each prints every reminder as one line of JSON, with
the same key, so whatever sends the messages must send each key once. After a signal the worker
finishes its current reminders, and then ends.
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

from aiobreakglass import AsyncDynamoDBStore, BreakGlassEvent, run_reminders

logger = logging.getLogger("reminder_worker")


async def announce(event: BreakGlassEvent, interval: int) -> None:
    """Print the reminder. Send a message with this key here instead."""
    print(
        json.dumps(
            {
                "key": f"{event.id}-{interval}",
                "review": event.id,
                "invoker": event.invoker,
                "profile": event.profile,
                "outcome": event.review_outcome,
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
    """Remind people of overdue reviews, for ever."""
    async with AsyncDynamoDBStore.open(
        options.table, region_name=options.region, endpoint_url=options.endpoint_url
    ) as store:
        logger.info("watching table %s", options.table)
        await run_reminders(
            store,
            announce,
            after=timedelta(hours=options.after),
            interval=timedelta(hours=options.interval),
            pause=timedelta(seconds=options.pause),
        )


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", required=True)
    parser.add_argument("--region", help="default: AWS_DEFAULT_REGION or the config file")
    parser.add_argument("--endpoint-url", help="for example of an emulator")
    parser.add_argument("--after", type=float, default=72, help="hours that a review may take")
    parser.add_argument(
        "--interval", type=float, default=24, help="hours between two reminders of a review"
    )
    parser.add_argument("--pause", type=float, default=300, help="seconds between two passes")
    return parser.parse_args()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(parse_arguments()))
