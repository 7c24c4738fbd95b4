"""Run one verb: with its settings, its output, and a store or a client that it opens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import ValidationError

from aiobreakglass import AsyncDynamoDBStore
from aiobreakglass._aws.client import open_client
from aiobreakglass._domain.event import utc_now
from aiobreakglass.cli.output import Output
from aiobreakglass.cli.people import Questions, caller_arn, name_of_caller
from aiobreakglass.cli.settings import Settings, choose_settings, read_file, settings_file
from aiobreakglass.cli.statuses import TerminatedError, WrongUseError
from aiobreakglass.cli.times import parse_time

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from types_aiobotocore_dynamodb import DynamoDBClient

_Result = TypeVar("_Result")


class Common(NamedTuple):
    """The options that every verb has."""

    table: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    aws_profile: str | None = None
    settings: Path | None = None
    show_settings: bool = False
    json: bool = False
    utc: bool = False


class Invocation:
    """One run of the command."""

    def __init__(self, common: Common, environment: Mapping[str, str] = os.environ) -> None:
        self.common: Common = common
        self.output: Output = Output(is_json=common.json, is_utc=common.utc)
        self.settings: Settings = _settings(common, environment)
        is_attended = not common.json and sys.stdin.isatty() and sys.stderr.isatty()
        self.questions: Questions = Questions(is_attended=is_attended)
        self.has_begun: bool = False
        """Whether any work was run."""

    @property
    def table(self) -> str:
        """The table's name; raise `WrongUseError` if nobody has named a table."""
        table = self.settings.table.value
        if table is None:
            raise WrongUseError(
                "no table is named: add --table, or set AIOBREAKGLASS_TABLE, or put it into "
                "your settings file"
            )
        return str(table)

    def now(self) -> datetime:
        """Return the present."""
        return utc_now()

    def time_if_given(self, option: str, text: str | None) -> datetime | None:
        """Return the instant that an option says; None without the option."""
        return None if text is None else self.time(option, text)

    def time(self, option: str, text: str) -> datetime:
        """Return the instant that an option says, or raise `WrongUseError`."""
        try:
            return parse_time(text, self.now(), self.output.zone)
        except ValueError as error:
            raise WrongUseError(f"{option} {error}") from error

    def person(
        self, given: str | None, option: str, question: str, rule: Callable[[str], object]
    ) -> str:
        """Return who does it: as an option says, or the caller's own identity by STS."""
        return self.questions.person(given, option, question, rule, self._caller)

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run work until it is done, or until Ctrl-C or SIGTERM has cancelled it.

        A write that is under way ends before the cancellation goes on, for a second at most.
        """
        self.has_begun = True
        with asyncio.Runner() as runner, named_mistakes():
            return runner.run(_until_terminated(work))

    @asynccontextmanager
    async def store(self) -> AsyncIterator[AsyncDynamoDBStore]:
        """Open the store, with the limits and the retention of the settings."""
        async with AsyncDynamoDBStore.open(
            self.table,
            region_name=self.settings.region.value,
            endpoint_url=self.settings.endpoint_url.value,
            session=self._session(),
            # Learning the fast transport takes longer than the few calls of a command.
            transport="standard",
            retention=self.settings.retention.value,
            limits=self.settings.limits.value,
            layout=self.settings.layout.value,
        ) as store:
            yield store

    @asynccontextmanager
    async def client(self) -> AsyncIterator[DynamoDBClient]:
        """Open a client, for functions that take one."""
        async with open_client(
            self.settings.region.value, self.settings.endpoint_url.value, self._session(), None
        ) as opened:
            yield opened.client

    def _session(self) -> AioSession | None:
        """Return a session of the profile that signs; None leaves the choice to the AWS SDK."""
        profile = self.settings.aws_profile.value
        if profile is None:
            return None
        from aiobotocore.session import AioSession

        session = AioSession(profile=profile)
        if profile not in session.available_profiles:
            raise WrongUseError(
                f"the AWS profile {profile!r} is in no AWS settings file "
                f"({self.settings.aws_profile.origin})"
            )
        return session

    def _caller(self) -> str:
        from aiobotocore.session import get_session

        session = self._session() or get_session()
        try:
            arn = asyncio.run(self._caller_arn(session))
        except Exception as error:
            # Credential providers raise anything, and the text may quote credentials.
            raise WrongUseError(
                f"STS does not tell who you are ({type(error).__name__})"
            ) from error
        try:
            return name_of_caller(arn)
        except ValueError as error:
            raise WrongUseError(str(error)) from error

    async def _caller_arn(self, session: AioSession) -> str:
        async with self.output.working("Asking STS who you are"):
            return await caller_arn(session, self.settings.region.value)


@contextmanager
def named_mistakes() -> Iterator[None]:
    """Let the rules of the library's arguments be those of the command line."""
    try:
        yield
    except ValidationError:
        raise
    except ValueError as error:
        raise WrongUseError(str(error)) from error


async def _until_terminated(work: Coroutine[Any, Any, _Result]) -> _Result:
    is_terminated = False
    task = asyncio.current_task()

    def terminate() -> None:
        nonlocal is_terminated
        is_terminated = True
        if task is not None:
            task.cancel()

    loop = asyncio.get_running_loop()
    # Windows, and threads other than the main one, have no such handlers.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except asyncio.CancelledError:
        if is_terminated:
            raise TerminatedError from None
        raise


def _settings(common: Common, environment: Mapping[str, str]) -> Settings:
    options = {
        "table": common.table,
        "region": common.region,
        "endpoint_url": common.endpoint_url,
        "aws_profile": common.aws_profile,
    }
    path = settings_file(common.settings, environment)
    try:
        if path is None:
            return choose_settings(options, environment, {})
        return choose_settings(options, environment, read_file(path), str(path))
    except ValueError as error:
        raise WrongUseError(str(error)) from error
    except OSError as error:
        raise WrongUseError(f"the settings in {path} cannot be read: {error.strerror}") from error
