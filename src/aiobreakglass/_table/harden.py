"""Repair a table where that is safe: one request at a time, and any number of times."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from aiobreakglass._aws.borrowing import check_client
from aiobreakglass._contract import arguments
from aiobreakglass._domain.errors import TableError
from aiobreakglass._domain.finding import Finding
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._table.definition import Definition, StreamView, check_definition
from aiobreakglass._table.judgments import WORKING, judge, time_to_live_repair
from aiobreakglass._table.problem import Problem, Repair, State
from aiobreakglass._table.steps import (
    REFUSED_MEANWHILE,
    await_active,
    code_of,
    is_active,
    pause,
    read_state,
    send,
    too_late,
    translated,
)
from aiobreakglass._table.structure import MISSING_INDEX, is_ours

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

_logger = logging.getLogger("aiobreakglass.table")


@dataclass(frozen=True, slots=True)
class Hardening:
    """What `harden_table` has repaired, or would repair, and what it leaves."""

    repaired: tuple[Finding, ...]
    """In the order in which they were repaired."""
    left: tuple[Finding, ...]
    """What needs a decision; each finding has its fix."""


async def harden_table(
    client: DynamoDBClient,
    name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = True,
    deletion_protection: bool = True,
    time_to_live: bool = False,
    kms_key: str | None = None,
    stream: StreamView | None = None,
    dry_run: bool = False,
    on_repaired: Callable[[Finding], Awaitable[object]] | None = None,
    timeout: timedelta = timedelta(minutes=5),  # noqa: ASYNC109 - what a caller expects here
) -> Hardening:
    """Repair what `verify_table` finds, where that takes nothing away.

    The call adds missing indexes, and turns on deletion protection, point-in-time recovery, and
    the stream if you ask for one. It sends one request after the other, and waits until each is in
    effect. It leaves alone what would delete an index, end somebody's access, or stop a stream.

    TTL is turned on only with `time_to_live=True`: from then on DynamoDB deletes the rows whose
    retention has ended, and nothing brings them back.

    Call it again after a failure. It looks at the table anew and goes on with what is left, and
    is safe beside other callers. It logs each repair.

    Args:
        client: An open aiobotocore client, which is borrowed.
        name: The name of the table.
        layout: The names that the table uses; None means the default names.
        point_in_time_recovery: Whether the table should have point-in-time recovery.
        deletion_protection: Whether the table should have deletion protection.
        time_to_live: Whether to turn TTL on if it is off.
        kms_key: The ARN of the KMS key that should encrypt the table; None means any.
        stream: What the stream of changes should show; None means that there should be none.
        dry_run: Whether to change nothing, and only to say what would be repaired.
        on_repaired: Awaited after each repair, with the finding that it has repaired.
        timeout: How long to wait for all repairs. DynamoDB needs a while to fill an index.

    Raises:
        TableError: The table is missing, is not a break-glass table, or is in a state in which it
            cannot be changed: nothing is changed then. Or DynamoDB finds a repair invalid: the
            repairs before it stay.
        StoreUnavailableError: DynamoDB did not answer, denied access, or was not done within
            `timeout`.
    """
    definition = check_definition(
        name,
        layout,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
        kms_key=kms_key,
        stream=stream,
    )
    arguments.check_async_callback("on_repaired", on_repaired)
    arguments.check_interval("timeout", timeout, at_least=timedelta(milliseconds=1))
    check_client(client)
    hardening = _Hardening(client, definition, time_to_live, timeout)
    state = await hardening.read()
    if dry_run:
        return hardening.planned(state)
    state = await hardening.settled(state)
    repaired: list[Finding] = []
    while (step := hardening.next_step(state)) is not None:
        state = await hardening.take(step)
        finding = step.problem.finding
        about = {"table": name, "kind": finding.kind, "subject": finding.subject}
        _logger.info("repaired %s of %s", finding.kind, finding.subject, extra=about)
        repaired.append(finding)
        if on_repaired is not None:
            await on_repaired(finding)
    left = (problem.finding for problem in judge(definition, state))
    return Hardening(tuple(repaired), tuple(left))


class _Step(NamedTuple):
    problem: Problem
    repair: Repair


class _Hardening:
    """Repairs one table within a time limit."""

    def __init__(
        self,
        client: DynamoDBClient,
        definition: Definition,
        with_time_to_live: bool,
        timeout: timedelta,
    ) -> None:
        self._client = client
        self._definition = definition
        self._with_time_to_live = with_time_to_live
        self._deadline = asyncio.get_running_loop().time() + timeout.total_seconds()

    async def read(self) -> State:
        """Return the state of the table, or raise `TableError` if it is not one to harden."""
        name = self._definition.name
        async with self._limited():
            state = await read_state(self._client, name)
        if not is_ours(self._definition, state.description):
            raise TableError(
                f"table {name!r} is not laid out as a break-glass table, so nothing was changed; "
                "verify_table lists the differences"
            )
        status = state.description["TableStatus"]
        if status not in WORKING and status != "CREATING":
            raise TableError(f"table {name!r} is in the state {status}, so nothing was changed")
        return state

    def planned(self, state: State) -> Hardening:
        """Return what would be repaired."""
        repaired = [step.problem.finding for step in self._steps(state)]
        found = (problem.finding for problem in judge(self._definition, state))
        left = (finding for finding in found if finding not in repaired)
        return Hardening(tuple(repaired), tuple(left))

    async def settled(self, state: State) -> State:
        """Wait for the changes of an earlier call, and return the state of the table then."""
        if is_active(state.description):
            return state
        async with self._limited():
            return await self._settled()

    def next_step(self, state: State) -> _Step | None:
        """Return the first repair of what can be repaired."""
        return next(iter(self._steps(state)), None)

    async def take(self, step: _Step) -> State:
        """Repair a problem, wait until it is gone, and return the state of the table then."""
        async with self._limited():
            while not await self._is_sent(step):
                await pause()
            # Some hosts of DynamoDB do not know of the change yet.
            while self._has(step.problem, state := await self._settled()):
                await pause()
            return state

    async def _is_sent(self, step: _Step) -> bool:
        """Send a repair; return False if DynamoDB takes no change at this moment."""
        try:
            await send(self._client, step.repair)
        except ClientError as error:
            code = code_of(error)
            # The request is also refused if somebody else repairs the same, or changes the table.
            if code not in REFUSED_MEANWHILE:
                raise
            is_busy = code == "ResourceInUseException" or not await self._is_active()
            if self._has(step.problem, await self._settled()):
                if is_busy:
                    return False
                if code == "ValidationException":
                    finding, words = step.problem.finding, error.response["Error"]["Message"]
                    raise TableError(
                        f"{finding.kind} of {finding.subject} cannot be repaired: {words}"
                    ) from error
                raise
        return True

    async def _is_active(self) -> bool:
        answer = await self._client.describe_table(TableName=self._definition.name)
        return is_active(answer["Table"])

    def _steps(self, state: State) -> list[_Step]:
        steps = [
            _Step(problem, problem.repair)
            for problem in judge(self._definition, state)
            if problem.repair is not None and self._may_send(problem.repair)
        ]
        # An index of a large table takes long to fill, and DynamoDB may refuse for an hour to turn
        # TTL on. So they come last, and keep nothing else waiting.
        return sorted(
            steps,
            key=lambda step: (
                not step.repair.is_safe,
                step.problem.finding.kind == MISSING_INDEX,
            ),
        )

    def _may_send(self, repair: Repair) -> bool:
        return repair.is_safe or (
            self._with_time_to_live and repair == time_to_live_repair(self._definition)
        )

    async def _settled(self) -> State:
        await await_active(self._client, self._definition.name)
        return await read_state(self._client, self._definition.name)

    def _has(self, problem: Problem, state: State) -> bool:
        found = judge(self._definition, state)
        return problem.identity in {other.identity for other in found}

    @asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        with translated(self._client, self._definition.name, too_late("harden_table")):
            async with asyncio.timeout_at(self._deadline):
                yield
