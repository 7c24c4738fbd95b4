"""Open, check, close and review break-glass access, and print each step.

`python examples/quickstart.py` runs on moto in its own process, with `--endpoint-url URL` on
another DynamoDB such as DynamoDB Local, and with `--aws` in your AWS account.
"""

import argparse
import asyncio
import os
import secrets
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, NoCredentialsError, NoRegionError

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassError,
    BreakGlassEvent,
    BreakGlassStore,
    InvalidStateTransitionError,
    ReasonCode,
    create_table,
    iterate,
)

PROFILE = "prod"
ATTEMPTS = 20


async def main(options: argparse.Namespace, endpoint_url: str | None) -> None:
    session = get_session()
    connection: dict[str, Any] = {
        "region_name": options.region,
        "endpoint_url": endpoint_url,
        "config": AioConfig(
            connect_timeout=2,
            read_timeout=5,
            retries={"mode": "standard", "total_max_attempts": 3},
            # A proxy from the environment could not reach this machine's ports.
            proxies=None if options.aws else {},
        ),
    }
    if not options.aws:
        connection["region_name"] = options.region or "us-east-1"
        # DynamoDB Local has one database for each access key, so it gets the key that is set.
        # moto gets dummy keys; the program does not look for the keys of a real account.
        if not options.endpoint_url or "AWS_ACCESS_KEY_ID" not in os.environ:
            session.set_credentials("local", "local")

    async with session.create_client("dynamodb", **connection) as client:
        print(f"DynamoDB at {client.meta.endpoint_url}")
        print(f"Making table {options.table!r}, if it is not there; what it holds is left alone.")
        await create_table(client, options.table)

    print()
    async with AsyncDynamoDBStore.open(
        options.table, session=session, retention=timedelta(days=1), **connection
    ) as store:
        await tell(store)

    print()
    if options.aws or options.endpoint_url:
        print(f"Table {options.table!r} stays, and so does the event until TTL deletes it.")
    else:
        print("The table is gone with this program.")


async def tell(store: BreakGlassStore) -> None:
    # Each run has its own name, so runs that share a table do not block each other.
    invoker = f"alice-{secrets.token_hex(2)}"
    event = await open_access(store, invoker)
    await check(store, invoker)
    await try_to_stack(store, event)
    await close(store, event)
    await try_to_close_again(store, event)
    await check(store, invoker)
    await review(store, invoker)


async def open_access(store: BreakGlassStore, invoker: str) -> BreakGlassEvent:
    event = await store.create(emergency(invoker))
    say(
        f"{invoker} breaks the glass: event {event.id}",
        f"grants {PROFILE!r} from {clock(event.created_at)} to {clock(event.expires_at)}",
    )
    return event


async def check(store: BreakGlassStore, invoker: str) -> None:
    event = await store.find_active_by_invoker_and_profile(invoker, PROFILE)
    answer = "no" if event is None else f"yes, by event {event.id}"
    say(f"does {invoker} hold access to {PROFILE!r} right now? {answer}")


async def try_to_stack(store: BreakGlassStore, holder: BreakGlassEvent) -> None:
    attempts = (store.create(emergency(holder.invoker)) for _ in range(ATTEMPTS))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    refusals = [error for error in outcomes if isinstance(error, ActiveEventExistsError)]
    if [error.event for error in refusals] != [holder] * ATTEMPTS:
        raise RuntimeError(f"not every attempt was refused with event {holder.id}: {outcomes}")
    say(
        f"{ATTEMPTS} attempts at once to open it again: {len(refusals)} refused, each saying",
        str(refusals[0]),
    )


async def close(store: BreakGlassStore, event: BreakGlassEvent) -> None:
    closed = await store.close(
        event.id, closed_by="bob", closed_reason="The replica has taken over"
    )
    say(f"{closed.closed_by} closes event {closed.id}:", str(closed.closed_reason))


async def try_to_close_again(store: BreakGlassStore, event: BreakGlassEvent) -> None:
    try:
        await store.close(event.id, closed_by="bob", closed_reason="To be on the safe side")
    except InvalidStateTransitionError as error:
        say("bob closes it again, by mistake, and is refused:", str(error))
    else:
        raise RuntimeError(f"event {event.id} was closed twice")


async def review(store: BreakGlassStore, invoker: str) -> None:
    say(f"the review: all that {invoker} has opened, newest first")
    # Lists are eventually consistent: on AWS the last change may take a moment to show here.
    async for event in iterate(store.list_by_invoker, invoker):
        tell_more(
            f"event {event.id}: {event.profile}, {event.reason_code}, {event.status}",
            f"opened {clock(event.created_at)}, last changed {clock(event.updated_at)}",
            f"why: {event.justification}",
        )


def emergency(invoker: str) -> BreakGlassEvent:
    return BreakGlassEvent(
        invoker=invoker,
        profile=PROFILE,
        reason_code=ReasonCode.INCIDENT,
        justification="The primary database does not answer, and failing over needs an admin",
    )


def say(line: str, *more: str) -> None:
    print(f"{clock(datetime.now(UTC))}  {line}")
    tell_more(*more)


def tell_more(*lines: str) -> None:
    for line in lines:
        print(textwrap.indent(textwrap.fill(line, width=83), " " * 16))


def clock(instant: datetime) -> str:
    return f"{instant:%H:%M:%S.%f}"[:-3] + "Z"


@contextmanager
def endpoint(options: argparse.Namespace) -> Iterator[str | None]:
    if options.aws or options.endpoint_url:
        yield options.endpoint_url
        return
    from aiobreakglass.testing import moto_server

    with moto_server() as url:
        yield url


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Run through the life of a break-glass event, by default on moto."
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--endpoint-url", metavar="URL", help="another DynamoDB, such as a local one"
    )
    where.add_argument("--aws", action="store_true", help="the AWS account of the environment")
    parser.add_argument(
        "--table",
        default="aiobreakglass-quickstart",
        help="created if it does not exist; default %(default)s",
    )
    parser.add_argument(
        "--region", help="default: with --aws the environment's, otherwise us-east-1"
    )
    return parser.parse_args()


def advice(error: Exception) -> str:
    match error:
        case NoRegionError():
            return "no region: add --region, or set AWS_DEFAULT_REGION"
        case BotoCoreError():
            # Leave out the text: errors of credential providers may quote credentials.
            return f"no client could be made ({type(error).__name__}): check AWS_PROFILE"
        case BreakGlassError(__cause__=NoCredentialsError()):
            return "no credentials: set AWS_PROFILE, or sign in with `aws sso login`"
        case _:
            return str(error)


if __name__ == "__main__":
    arguments = parse()
    try:
        with endpoint(arguments) as url:
            asyncio.run(main(arguments, url))
    except (BotoCoreError, BreakGlassError, ImportError, ValueError) as mistake:
        sys.exit(f"quickstart: {advice(mistake)}")
