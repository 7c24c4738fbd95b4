"""Open a client for a store, with time limits that suit interactive checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import InvalidConfigError, InvalidRegionError, NoRegionError

from aiobreakglass._aws.failures import describe, shorten_traceback
from aiobreakglass._domain.errors import StoreUnavailableError

if TYPE_CHECKING:
    from aiobotocore.config import AioConfig
    from aiobotocore.credentials import AioCredentials
    from aiobotocore.session import AioSession
    from types_aiobotocore_dynamodb import DynamoDBClient

    from aiobreakglass._aws.fast.transport import FastTransport, Session

OPERATION_TIMEOUT: Final = timedelta(seconds=10)
"""How long one call may take as a whole, by default."""


class Opened(NamedTuple):
    """A client, with the details of how it was made."""

    client: DynamoDBClient
    credentials: AioCredentials | None
    sessions: list[Session]
    """The HTTP sessions of our class that the client made: its only one, or none."""
    time_limit: timedelta

    async def transport(self, table_name: str) -> FastTransport | None:
        """Return the fast transport for this client; None if the client cannot use it."""
        from aiobreakglass._aws.fast.learning import learn

        return await learn(
            self.client, self.sessions, self.credentials, table_name, self.time_limit
        )


@asynccontextmanager
async def open_client(
    region_name: str | None,
    endpoint_url: str | None,
    session: AioSession | None,
    config: AioConfig | None,
    time_limit: timedelta = OPERATION_TIMEOUT,
) -> AsyncIterator[Opened]:
    """Open a client, and close it at the end; `time_limit` bounds the look-up of credentials."""
    # Imported here because it costs several times as much as the rest of the package.
    from aiobotocore.config import AioConfig
    from aiobotocore.httpsession import AIOHTTPSession

    from aiobreakglass._aws.fast.transport import session_class

    # Left alone, botocore's defaults are legacy retries with 10 attempts of 60 s, which an
    # environment variable can change.
    settings = AioConfig(
        connect_timeout=2,
        read_timeout=3,
        max_pool_connections=64,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    retries = getattr(config, "retries", None)
    if config is not None and retries:
        # botocore's merge would replace all of `retries`, the mode included.
        config = config.merge(AioConfig(retries={"mode": "standard", **retries}))
    # Any, because the stubs lack the attributes that aiobotocore adds to botocore's.
    merged: Any = settings if config is None else settings.merge(config)
    if config is not None:
        # aiobotocore 2 loses both when it merges.
        given: Any = config
        merged.connector_args = given.connector_args
        merged.http_session_cls = given.http_session_cls
    sessions: list[Session] = []
    if merged.http_session_cls is AIOHTTPSession:
        merged.http_session_cls = session_class(sessions)
    try:
        if session is None:
            # In a thread, because reading the files would block the event loop for long.
            session = await asyncio.to_thread(_new_session)
        # The session caches them. Looked up separately, because providers can raise anything and
        # can hang.
        async with asyncio.timeout(time_limit.total_seconds()):
            credentials = await session.get_credentials()
    except Exception as error:
        shorten_traceback(error)
        raise StoreUnavailableError(
            f"credentials could not be looked up: {describe(error)}"
        ) from error
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(
                session.create_client(
                    "dynamodb",
                    region_name=region_name,
                    endpoint_url=endpoint_url,
                    config=merged,
                )
            )
            _check_endpoint(client.meta.endpoint_url)
        except NoRegionError as error:
            raise ValueError(
                "region_name must be given, here or by AWS_DEFAULT_REGION or the AWS config file"
            ) from error
        except InvalidRegionError as error:
            raise ValueError(f"region_name is not a valid one: {region_name!r}") from error
        except ValueError:
            # From None, because botocore's message quotes the URL, which may have a password.
            raise ValueError(
                "endpoint_url, here or as AWS_ENDPOINT_URL, must be a valid http or https URL "
                "without a user name, such as http://127.0.0.1:8000"
            ) from None
        except InvalidConfigError as error:
            # Credentials were looked up before, so this message is about the client's settings.
            raise StoreUnavailableError(f"no client could be made: {error}") from error
        except Exception as error:
            raise StoreUnavailableError(f"no client could be made: {describe(error)}") from error
        yield Opened(client, credentials, sessions, time_limit)


def _check_endpoint(url: str) -> None:
    """Raise `ValueError` if no request can be sent to this URL."""
    parts = urlsplit(url)
    # Reading an invalid port raises `ValueError`, too.
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.port == 0:
        raise ValueError("no URL for requests")


def _new_session() -> AioSession:
    """Return a session that shares botocore's data on AWS with all others; this reads files."""
    from aiobotocore.session import get_session

    from aiobreakglass._aws.loading import data_loader

    session = get_session()
    if session.get_config_variable("data_path") is None:
        session.register_component("data_loader", data_loader())
    return session
