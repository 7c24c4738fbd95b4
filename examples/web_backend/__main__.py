"""Try the application: `nox -s web`, or `python -m web_backend` from this folder's parent.

It runs on 127.0.0.1 with a temporary store, some events of the last 30 days, and a sign-in without
any proof.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

import uvicorn
from aiobotocore.session import get_session
from pydantic import SecretBytes

from aiobreakglass import GovernedStore, InMemoryStore, create_table

from .app import OpenStore, create_app, open_dynamodb
from .demonstration import TravelledClock, tell_the_past
from .policy import DEMO_LIMITS
from .settings import Settings, naming_variables

REGION = "eu-central-1"


@asynccontextmanager
async def in_memory(settings: Settings) -> AsyncIterator[GovernedStore]:
    clock = TravelledClock()
    store = InMemoryStore(
        cursor_key=settings.cursor_key.get_secret_value(), limits=DEMO_LIMITS, clock=clock
    )
    await tell_the_past(store, clock)
    yield store


@asynccontextmanager
async def on_moto(settings: Settings) -> AsyncIterator[GovernedStore]:
    async with get_session().create_client(
        "dynamodb", region_name=settings.region_name, endpoint_url=settings.endpoint_url
    ) as client:
        await create_table(client, settings.table_name)
    clock = TravelledClock()
    async with open_dynamodb(settings, rules=DEMO_LIMITS, clock=clock) as store:
        await tell_the_past(store, clock)
        yield store


@contextmanager
def moto() -> Iterator[str]:
    from aiobreakglass.testing import moto_server

    # Use neither your AWS account nor a proxy, which could not reach this machine.
    os.environ |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    os.environ["NO_PROXY"] = "127.0.0.1"
    with moto_server() as url:
        yield url


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="web_backend", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--port", type=int, default=8000, help="0 takes any free port; default 8000"
    )
    parser.add_argument(
        "--backend", choices=["memory", "moto"], default="memory", help="where to keep the events"
    )
    return parser.parse_args()


def main() -> None:
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    with ExitStack() as stack:
        endpoint_url = stack.enter_context(moto()) if options.backend == "moto" else None
        # The other settings come from the environment.
        with naming_variables():
            settings = Settings(
                table_name="break-glass",
                region_name=REGION,
                endpoint_url=endpoint_url,
                cursor_key=SecretBytes(secrets.token_bytes(32)),
                expiry_seconds=5,
                demo_sign_in=True,
            )
        open_store: OpenStore = on_moto if endpoint_url else in_memory
        app = create_app(settings, open_store=open_store, rules=DEMO_LIMITS)
        # uvicorn prints the URL when it is ready.
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=options.port,
            # Without this, a page that does not read its stream would keep the server running.
            timeout_graceful_shutdown=10,
        )


if __name__ == "__main__":
    main()
