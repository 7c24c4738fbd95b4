"""Send requests with retries and time limits, and handle cancellation and shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from aiobreakglass import _randomness
from aiobreakglass._aws import hooks, outcomes
from aiobreakglass._aws.borrowing import check_client, check_transport, is_closed
from aiobreakglass._aws.failures import BrokenAnswerError, TooLateError, shorten_traceback
from aiobreakglass._aws.hooks import Sending
from aiobreakglass._aws.transaction import Item, Part, Refusal, Request, transaction
from aiobreakglass._aws.transport import StandardTransport, Transport, TransportName
from aiobreakglass._back_off import back_off
from aiobreakglass._domain.errors import BreakGlassError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_FIRST_PAUSE: Final = 0.025
_LONGEST_PAUSE: Final = 1.0


@dataclass(slots=True)
class Operation:
    """One call of a store's method, with all the requests that it makes."""

    deadline: float
    """When the call must end, by the event loop's clock."""
    outcome_unknown: bool = False
    """Whether a lost attempt may still commit, although a later one was refused."""

    def for_other_rows(self) -> Operation:
        """Return an operation with the same deadline and an outcome of its own.

        A change of other rows uses it, because its outcome says nothing about this operation's.
        """
        return Operation(self.deadline)


class _Running(AbstractContextManager[Operation]):
    """Counts an operation as running; a generator would take three times as long."""

    __slots__ = ("_calls",)

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def __enter__(self) -> Operation:
        return self._calls._begin()

    def __exit__(self, *_: object) -> None:
        self._calls._end()


class Calls:
    """Send requests to DynamoDB, each until a definite answer or the operation's deadline.

    Any number of tasks of one event loop can use it. That loop is the one that `bind` ran in, or
    the first loop that uses it.
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
        """The name of the transport that the next request takes."""
        return self._transport.in_use

    def bind(self) -> None:
        """Bind this to the running event loop; raise `RuntimeError` if it has another one."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("this store belongs to another event loop: open one in each loop")

    def operation(self) -> AbstractContextManager[Operation]:
        """Run an operation in a `with` block.

        Entering it raises `RuntimeError` if the store is closed or belongs to another event loop.
        """
        return _Running(self)

    def renewed(self) -> Operation:
        """Return an operation with a time limit of its own, for a part of one that is running."""
        return Operation(asyncio.get_running_loop().time() + self._operation_timeout)

    def _begin(self) -> Operation:
        if self._closed:
            raise RuntimeError("this store is closed: use it inside its `async with` block")
        if is_closed(self._client):
            raise RuntimeError("the client is closed: use the store inside its `async with` block")
        self.bind()
        self._running += 1
        self._idle.clear()
        return self.renewed()

    def _end(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def close(self) -> None:
        """Refuse new operations, and wait for those that are under way."""
        self._closed = True
        if self._running:
            try:
                await self._idle.wait()
            except asyncio.CancelledError:
                # The client closes now, so operations under way cannot retry.
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
        """Send a read until it is answered.

        Args:
            operation: The operation that the read is part of.
            name: The name of DynamoDB's operation.
            request: The operation's parameters.
            is_asked: Returns whether a row belongs in the answer. An answer with another row
                counts as broken.
        """
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
        """Send a transaction until it succeeds (return None) or is refused (return the refusal).

        A retry sends the same bytes with the same token. A cancelled caller waits for the attempt
        under way. The store never compensates it, and closing the connection would gain nothing.

        Args:
            operation: The operation that the write is part of.
            parts: The parts of the transaction.
            time_left: Called before each attempt. If it returns zero, nothing more is sent.
        """
        request = transaction(parts, token=_randomness.token(16))
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
                    # This answers some other request, so the outcome of ours is unknown.
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
        """Make attempts until one succeeds, or fails in a way that a retry cannot fix."""
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
            # The SDK's limits for each attempt miss a body that trickles in and a wait for a
            # pooled connection. `_deadline` raises if it is too late already, because `timeout_at`
            # with a deadline in the past would still run to the first await.
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
        """Pause before the next attempt, and return True; return False if there is none."""
        transient = outcomes.is_transient(error, transmission)
        transmission.gave_up(error)
        return transient and await self.pause(operation, attempts)

    async def pause(self, operation: Operation, attempts: int) -> bool:
        """Wait before the next attempt, longer after each; return False if time is up."""
        if self._abandoned:
            return False
        # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ (full jitter)
        pause = _randomness.source.get().uniform(
            0, back_off(_FIRST_PAUSE, _LONGEST_PAUSE, attempts)
        )
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
