"""Between the processes and the service: what is sent arrives late, twice, spoiled, or never."""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, Final

from aiohttp import ClientConnectorError
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from tests.simulation import draws
from tests.simulation.client import ENDPOINT, READ_TIMEOUT, Reply, success
from tests.simulation.dynamodb.database import Database
from tests.simulation.faults import CONFLICTS, FAULTS, NEVER, STATUS, Fate, Faults
from tests.simulation.loop import VirtualLoop
from tests.simulation.parts import Parts, cut, joined
from tests.simulation.process import Process
from tests.simulation.record import CALL, Packet
from tests.simulation.timeline import LAYOUT
from tests.simulation.trace import described, told

_CONNECT_TIMEOUT: Final = 2.0
_WRITE_ID: Final = LAYOUT.write_id_attribute


class Network:
    """Carry requests to the model and answers back, as the history's seed has it."""

    def __init__(
        self,
        loop: VirtualLoop,
        database: Database,
        *,
        seed: int,
        fault_rate: float,
        faults: Faults = FAULTS,
        reads_in_parts: bool = False,
        spared: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:
        self.fault_rate = fault_rate
        self.possible = faults
        self.faults: Counter[str] = Counter()
        self.requests = 0
        self.met: list[tuple[int, int]] = []
        """The step and the place in it of each request that met a fault."""
        self.hot_key: str | None = None
        """The key of a row whose transactions always conflict."""
        self.under_way: Packet | None = None
        """The packet that the service carries out right now."""
        self.trace: Callable[[str], None] | None = None
        self._loop = loop
        self._database = database
        self._seed = seed
        self._spared = spared
        self._reads_in_parts = reads_in_parts
        self._next: dict[str, str] = {}
        """The error that the next attempt of each write gets, by its token."""
        self._rows: dict[str, Reply] = {}
        """The answer that brought each row last, for senders that get another's."""

    def send(
        self, process: Process, operation: str, request: dict[str, Any]
    ) -> asyncio.Future[Reply]:
        """Send one attempt; the result is what its sender gets to see of it."""
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        if process.is_dead:
            return waiter
        packet = self._packed(process, operation, request)
        fate = packet.fate
        if fate.there != NEVER:
            if packet.call is not None and packet.is_to_the_point:
                packet.call.under_way += 1
            self._loop.happen(fate.there, partial(self._arrive, packet, waiter))
        if fate.again != NEVER:
            self._loop.happen(fate.there + fate.again, partial(self._arrive_again, packet))
        if fate.there == NEVER and fate.broken:
            delay = _CONNECT_TIMEOUT if fate.broken == "slow" else fate.back
            self._loop.happen(delay, partial(self._break, packet, waiter))
        elif fate.there + fate.back > READ_TIMEOUT:
            self._loop.happen(READ_TIMEOUT, partial(self._give_up, packet, waiter))
        return waiter

    def _packed(self, process: Process, operation: str, request: dict[str, Any]) -> Packet:
        self.requests += 1
        call = CALL.get()
        place = (-1, self.requests)
        if call is not None:
            call.requests += 1
            place = (call.number, call.requests)
        fate = self._fate(place, operation)
        token = request.get("ClientRequestToken", "")
        if token in self._next:
            error = self._next.pop(token)
            fate = Fate(f"{error} at last", fate.there, fate.back, refused=error)
        elif fate.then:
            self._next[token] = fate.then
        clock = process.clock.present()
        rules = process.rules_of(call)
        packet = Packet(
            call,
            operation,
            request,
            fate,
            self._loop.time(),
            clock,
            rules[-1] if rules else None,
        )
        if call is not None and "ClientRequestToken" in request:
            first = clock, process.disturbances
            call.tokens.setdefault(request["ClientRequestToken"], first)
        if self.trace is not None:
            self.trace(f"{process} sends {described(packet)}")
        return packet

    def _fate(self, place: tuple[int, int], operation: str) -> Fate:
        chance = draws.number(self._seed, *place)
        there, back = (chance % 1009 + 1) * 5e-6, (chance % 997 + 1) * 5e-6
        if (chance >> 20) % 10_000 >= self.fault_rate * 10_000 or place in self._spared:
            return Fate("", there, back)
        possible = self.possible.get(operation)
        if not possible:
            return Fate("", there, back)
        name, make = possible[(chance >> 34) % len(possible)]
        self.faults[name] += 1
        self.met.append(place)
        return make(Random(chance), Fate(name, there, back))  # noqa: S311 - a plan, no secret

    def _arrive(self, packet: Packet, waiter: asyncio.Future[Reply]) -> None:
        if packet.call is not None and packet.is_to_the_point:
            packet.call.under_way -= 1
        parts = self._cut(packet)
        if parts is None:
            self._answer(packet, waiter, self._served(packet))
            return
        first = self._carry_out(packet, parts.first)
        if packet.call is not None:
            packet.call.paused += parts.pause

        def arrive_at_last() -> None:
            second = self._carry_out(packet, parts.second)
            self._answer(packet, waiter, joined(first, second))

        self._loop.happen(parts.pause, arrive_at_last)

    def _cut(self, packet: Packet) -> Parts | None:
        """Return the parts in which a batch of rows is read; None if it is read at once."""
        if not self._reads_in_parts or packet.operation != "BatchGetItem" or packet.fate.name:
            return None
        return cut(packet.request, draws.seeded(self._seed, "parts", self.requests))

    def _answer(self, packet: Packet, waiter: asyncio.Future[Reply], reply: Reply) -> None:
        fate = packet.fate
        if fate.broken:
            self._loop.happen(fate.back, partial(self._break, packet, waiter))
        elif fate.back != NEVER:
            self._loop.happen(fate.back, partial(self._return, packet, waiter, reply))

    def _arrive_again(self, packet: Packet) -> None:
        packet.is_copy = True
        self._carry_out(packet)
        packet.is_copy = False

    def _served(self, packet: Packet) -> Reply:
        fate = packet.fate
        if fate.refused:
            return _error_reply(fate.refused, packet.request)
        reply = self._carry_out(packet)
        if fate.failed:
            return _error_reply(fate.failed, packet.request)
        if reply.status != 200:
            return reply
        if fate.spoiled == "another's":
            return self._anothers(packet, reply)
        if "Item" in reply.parsed:
            self._rows[reply.parsed["Item"]["pk"]["S"]] = reply
        return _spoiled(reply, fate.spoiled) if fate.spoiled else reply

    def _anothers(self, packet: Packet, reply: Reply) -> Reply:
        """Return an answer that brings another row: one that brings none could be anybody's."""
        ours = packet.request["Key"]["pk"]["S"]
        others = [other for key, other in self._rows.items() if key != ours]
        return others[-1] if others else reply

    def _carry_out(self, packet: Packet, part: dict[str, Any] | None = None) -> Reply:
        if self.hot_key is not None and self.hot_key in _written_keys(packet.request):
            return _error_reply("conflict", packet.request)
        self.under_way = packet
        try:
            request = packet.request if part is None else part
            if packet.fate.spoiled == "page short":
                request = request | {"Limit": 1}
            reply = success(self._database.execute(packet.operation, request))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            reply = Reply(status, error.response)
        finally:
            self.under_way = None
        if self.trace is not None:
            copy = " (a copy)" if packet.is_copy else ""
            self.trace(f"the service answers {described(packet)}{copy}: {told(reply)}")
        return reply

    def _return(self, packet: Packet, waiter: asyncio.Future[Reply], reply: Reply) -> None:
        if not waiter.done():
            waiter.set_result(reply)
            call = packet.call if packet.is_to_the_point else None
            if call is not None and _shows_own_entry(packet.request, reply):
                call.confirmed_at = self._loop.time()

    def _give_up(self, packet: Packet, waiter: asyncio.Future[Reply]) -> None:
        if not waiter.done():
            waiter.set_exception(ReadTimeoutError(endpoint_url=ENDPOINT))

    def _break(self, packet: Packet, waiter: asyncio.Future[Reply]) -> None:
        if not waiter.done():
            waiter.set_exception(_ENDS[packet.fate.broken]())


class _Place:
    """Where a connection was to lead, as aiohttp has it."""

    host = "dynamodb.eu-central-1.amazonaws.com"
    port = 443
    ssl = True


def _unreachable() -> Exception:
    place: Any = _Place()
    refused = ClientConnectorError(place, ConnectionRefusedError(111, "Connection refused"))
    return EndpointConnectionError(endpoint_url=ENDPOINT, error=refused)


_ENDS: Final[dict[str, Callable[[], Exception]]] = {
    "reset": lambda: ConnectionClosedError(endpoint_url=ENDPOINT),
    "slow": lambda: ConnectTimeoutError(endpoint_url=ENDPOINT),
    "unreachable": _unreachable,
}


def _error_reply(code: str, request: Mapping[str, Any]) -> Reply:
    """Return the reply of a service that refuses or fails."""
    status = STATUS.get(code, 400)
    parsed: dict[str, Any] = {"ResponseMetadata": {"HTTPStatusCode": status}}
    if code in CONFLICTS:
        parts = len(request["TransactItems"])
        # A single part gets the reason that goes away: a refusal would be a lie.
        codes: tuple[str, ...] = CONFLICTS[code] if parts > 1 else CONFLICTS[code][-1:]
        codes += ("None",) * (parts - len(codes))
        parsed["CancellationReasons"] = [{"Code": each} for each in codes]
        code = "TransactionCanceledException"
    parsed["Error"] = {"Code": code, "Message": "no"}
    return Reply(status, parsed)


def _spoiled(reply: Reply, how: str) -> Reply:
    """Return a success as it arrives; what botocore cannot read, it takes for an empty answer."""
    nothing: dict[str, Any] = {"ResponseMetadata": reply.parsed["ResponseMetadata"]}
    if how == "page short":
        return reply
    if how == "keys left":
        return _with_keys_left(reply)
    if how == "flipped":
        return reply._replace(checksum=reply.checksum ^ 1)
    body = {
        "cut": reply.body[: len(reply.body) // 2],
        "empty": b"",
        "page": b"<html>Bad gateway</html>",
        "null": b"null",
    }[how]
    # A body that is empty, or a page, comes with a checksum of its own: nobody has damaged it.
    whole = success({})._replace(body=body, parsed=nothing)
    return whole._replace(checksum=reply.checksum if how == "cut" else zlib.crc32(body))


def _with_keys_left(reply: Reply) -> Reply:
    """Return an answer to BatchGetItem that leaves half of the rows for another request."""
    answer = dict(reply.parsed)
    ((table, rows),) = answer["Responses"].items()
    middle = (len(rows) + 1) // 2
    kept, left = rows[middle:], rows[:middle]
    if not left:
        return reply
    answer["Responses"] = {table: kept}
    keys = [{"pk": row["pk"]} for row in left]
    answer["UnprocessedKeys"] = {table: {"Keys": keys, "ConsistentRead": True}}
    return success(answer)


def _shows_own_entry(request: Mapping[str, Any], reply: Reply) -> bool:
    """Tell whether a refusal shows the entry that an earlier attempt of the same write left."""
    for action, reason in zip(
        request.get("TransactItems", ()),
        reply.parsed.get("CancellationReasons", ()),
        strict=False,
    ):
        ours = action.get("Put", {}).get("Item", {})
        shown = reason.get("Item", {})
        if "entry" in ours and ours[_WRITE_ID] == shown.get(_WRITE_ID):
            return True
    return False


def _written_keys(request: Mapping[str, Any]) -> set[str]:
    return {
        str(parameters.get("Key", parameters.get("Item"))["pk"]["S"])
        for action in request.get("TransactItems", ())
        for parameters in action.values()
    }
