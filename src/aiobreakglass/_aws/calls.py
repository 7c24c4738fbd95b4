"""How requests are carried: retries, time limits, cancellation, shutdown."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError

from aiobreakglass._aws import hooks, outcomes
from aiobreakglass._aws.borrowing import check_client, check_transport, is_closed
from aiobreakglass._aws.failures import BrokenAnswerError, TooLateError, shorten_traceback
from aiobreakglass._aws.hooks import Sending
from aiobreakglass._aws.transaction import Item, Part, Refusal, Request, transaction
from aiobreakglass._back_off import back_off
from aiobreakglass._domain.errors import BreakGlassError
from aiobreakglass._shielding import shielded

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_FIRST_PAUSE: Final = 0.025
_LONGEST_PAUSE: Final = 1.0

TransportName = Literal["fast", "standard"]


class Transport(Protocol):
    """What sends requests: the client itself, or something in its place."""

    @property
    def in_use(self) -> TransportName:
        """The transport that the next request takes."""
        ...

    async def call(
        self,
        name: str,
        request: Request,
        on_send: Callable[[], None],
        deadline: float | None = None,
        /,
    ) -> dict[str, Any]:
        """Send a request to an operation, and return its answer.

        It calls `on_send` when the request is about to go. If there is a `deadline`, by the event
        loop's clock, a cancellation waits until then for the answer to a request that has gone.
        """
        ...


class StandardTransport:
    """The client itself, with the transport of aiobotocore's own."""

    in_use: TransportName = "standard"

    def __init__(self, client: DynamoDBClient) -> None:
        self._client = client

    async def call(
        self,
        name: str,
        request: Request,
        _on_send: Callable[[], None],
        deadline: float | None = None,
        /,
    ) -> dict[str, Any]:
        """Have the client send a request; it reports each of its attempts through its events."""
        return await call_client(self._client, name, request, deadline)


@dataclass(slots=True)
class Operation:
    """One call of a store's method, with all the requests that it makes."""

    deadline: float
    """By the event loop's clock."""
    outcome_unknown: bool = False
    """Whether what this operation is for may happen yet, though its answer was a refusal."""

    def for_other_rows(self) -> Operation:
        """Return what bounds a change of other rows, whose outcome says nothing about this one."""
        return Operation(self.deadline)


class Calls:
    """Carry requests to DynamoDB, each until a definite answer or the operation's deadline.

    Serves any number of tasks of one event loop: the one that it was bound to, or the first that
    uses it.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        operation_timeout: timedelta,
        transport: Transport | None = None,
    ) -> None:
        check_client(client)
        check_transport(transport)
        self._client = client
        self._transport = StandardTransport(client) if transport is None else transport
        self._table_name = table_name
        self._operation_timeout = operation_timeout.total_seconds()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._abandoned = False
        self._running = 0
        self._idle = asyncio.Event()
        hooks.watch(client)

    @property
    def transport(self) -> TransportName:
        """The transport that the next request takes."""
        return self._transport.in_use

    def bind(self) -> None:
        """Serve the running event loop from now on; `RuntimeError` if it is not the first."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("this store belongs to another event loop: open one in each loop")

    @contextmanager
    def operation(self) -> Iterator[Operation]:
        """Begin an operation; `RuntimeError` if the store is closed or another loop's."""
        if self._closed:
            raise RuntimeError("this store is closed: use it inside its `async with` block")
        if is_closed(self._client):
            raise RuntimeError("the client is closed: use the store inside its `async with` block")
        self.bind()
        self._running += 1
        self._idle.clear()
        try:
            yield Operation(asyncio.get_running_loop().time() + self._operation_timeout)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Refuse new operations, and wait until those under way have ended."""
        self._closed = True
        if self._running:
            try:
                await self._idle.wait()
            except asyncio.CancelledError:
                # The client goes now: what is under way need not try again without it.
                self._abandoned = True
                raise

    async def read(
        self,
        operation: Operation,
        name: str,
        request: Request,
        *,
        is_asked: Callable[[Item], bool],
    ) -> dict[str, Any]:
        """Send a read until it is answered, by rows that were asked for."""
        transmission = outcomes.Transmission()

        async def attempt() -> dict[str, Any]:
            answer = await self._send(operation, transmission, name, request, None)
            outcomes.check_rows(answer, is_asked)
            return answer

        try:
            return await self._repeat(operation, transmission, attempt)
        except Exception as error:
            shorten_traceback(error)
            raise self._translated(error, transmission, operation.outcome_unknown) from error

    async def write(
        self,
        operation: Operation,
        parts: Sequence[Part],
        time_left: outcomes.TimeLeft = outcomes.unbounded,
    ) -> Refusal | None:
        """Send a transaction until it is done, which returns None, or refused.

        A repetition is the same bytes under the same token. `time_left` is asked before each
        attempt; when it says that it is too late, nothing more is sent. A cancelled caller waits
        for what is under way: it is never compensated, and its connection is not torn down for
        nothing.
        """
        request = transaction(parts, token=token_hex(16))
        transmission = outcomes.Transmission(time_left=time_left)
        refused: Refusal | None = None

        async def attempt() -> dict[str, Any]:
            nonlocal refused
            try:
                return await self._send(
                    operation, transmission, "TransactWriteItems", request, operation.deadline
                )
            except ClientError as error:
                try:
                    refused = outcomes.refusal(error, parts)
                except BrokenAnswerError:
                    # Whose answer it was is not known, so ours is still to come.
                    transmission.may_have_landed = True
                    raise
                if refused is None:
                    raise
                return {}

        try:
            await self._repeat(operation, transmission, attempt)
        except TooLateError:
            refused = Refusal({})
        except Exception as error:
            unknown = transmission.outcome_unknown or operation.outcome_unknown
            shorten_traceback(error)
            if not unknown and (oversized := outcomes.too_large(error, parts)) is not None:
                raise oversized from error
            raise self._translated(error, transmission, unknown) from error
        if refused is None:
            return None
        return replace(refused, may_still_land=transmission.outcome_unknown)

    async def _repeat(
        self,
        operation: Operation,
        transmission: outcomes.Transmission,
        attempt: Callable[[], Coroutine[Any, Any, dict[str, Any]]],
    ) -> dict[str, Any]:
        """Make attempts until one succeeds, or fails in a way that patience does not mend."""
        attempts = 0
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not await self._may_try_again(operation, error, transmission, attempts):
                    raise
            attempts += 1

    async def _send(
        self,
        operation: Operation,
        transmission: outcomes.Transmission,
        name: str,
        request: Request,
        shielded_until: float | None,
    ) -> dict[str, Any]:
        sending = Sending(self._client.meta.events, name, request, transmission)
        token = hooks.begin(sending)
        try:
            # Over the SDK's limits for each attempt: a body that trickles in and a wait for a
            # pooled connection escape those.
            # With a deadline in the past it would still run to the first await, hence the check.
            async with asyncio.timeout_at(self._deadline(operation, transmission)):
                return await self._transport.call(name, request, transmission.sent, shielded_until)
        finally:
            hooks.end(token)

    def _deadline(self, operation: Operation, transmission: outcomes.Transmission) -> float:
        left = transmission.check_time()
        if left is None:
            return operation.deadline
        now = asyncio.get_running_loop().time()
        return min(operation.deadline, now + left.total_seconds())

    async def _may_try_again(
        self,
        operation: Operation,
        error: Exception,
        transmission: outcomes.Transmission,
        attempts: int,
    ) -> bool:
        """Pause before the next attempt; False where there is none."""
        transient = outcomes.is_transient(error, transmission)
        transmission.gave_up(error)
        return transient and await self.pause(operation, attempts)

    async def pause(self, operation: Operation, attempts: int) -> bool:
        """Wait before the next attempt, the longer the more there were; False if time is up."""
        if self._abandoned:
            return False
        # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter)
        pause = random.uniform(0, back_off(_FIRST_PAUSE, _LONGEST_PAUSE, attempts))  # noqa: S311 - spreads load, guards nothing
        if asyncio.get_running_loop().time() + pause >= operation.deadline:
            return False
        await asyncio.sleep(pause)
        return True

    def _translated(
        self, error: Exception, transmission: outcomes.Transmission, outcome_unknown: bool
    ) -> BreakGlassError:
        return outcomes.translate(
            error,
            self._client.meta.service_model.operation_names,
            self._table_name,
            outcome_unknown=outcome_unknown,
            last_failure=transmission.last_failure,
        )


async def call_client(
    client: DynamoDBClient, name: str, request: Request, shielded_until: float | None
) -> dict[str, Any]:
    """Have a client carry a request; with a deadline, past a cancellation, as `Transport` says."""
    call: Coroutine[Any, Any, dict[str, Any]] = getattr(client, xform_name(name))(**request)
    return await (call if shielded_until is None else shielded(call, shielded_until))
