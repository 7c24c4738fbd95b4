"""Compare what contestants send: keys, attributes, conditions and consistency must be the same.

A batch of reads counts as its single reads. A store that remembers the last holder leaves out the
read of the guard from its second check on.
"""

import json
import re
from typing import Any

import aiohttp

from aiobreakglass._domain.history import hash_of
from aiobreakglass._domain.timestamps import decode_time
from benchmarks.contestants import Contestant, http_session
from benchmarks.stub import PAGE

Sent = list[tuple[str, str]]
"""The operations and bodies of requests."""

OWN = {"ClientRequestToken", "ReturnConsumedCapacity", "ReturnValuesOnConditionCheckFailure"}
"""Parameters that a client always adds, or cannot set."""

SLOT_NUMBER = re.compile("#[0-9]{2}$")

TIME = re.compile("[0-9-]{10}T[0-9:]{8}[.][0-9]{6}Z")

DEFAULTS = {"ConsistentRead": False, "Select": "ALL_ATTRIBUTES"}
"""Parameters that mean the same if they are left out."""


async def requests(url: str, session: aiohttp.ClientSession) -> Sent:
    """Return the requests that the stub received since the last call."""
    async with session.get(url) as response:
        return [(operation, body) for operation, body in json.loads(await response.read())]


async def sent(url: str, contestant: Contestant) -> dict[str, Sent]:
    """Return what a contestant sends for each kind of call."""
    async with http_session() as session:
        await requests(url, session)
        found = {}
        for kind, call in contestant.calls.items():
            await call()
            found[kind] = await requests(url, session)
    return found


async def check(url: str, contestants: dict[str, Contestant], reference: str) -> None:
    """Raise if a contestant sends other requests than the reference, or reads other data.

    Contestants with this library's models must also return the same events.
    """
    expected = await sent(url, contestants[reference])
    for name, contestant in contestants.items():
        first, second = await sent(url, contestant), await sent(url, contestant)
        for kind in contestant.calls:
            _compare(f"{name} sends for {kind}", first[kind], expected[kind])
            steady = contestant.remembers and kind == "find_active"
            same_as = expected[kind][-1:] if steady else expected[kind]
            _compare(f"{name} sends for another {kind}", second[kind], same_as)
        for kind in ("find_active", "find_active_of_50", "list_by_invoker"):
            if contestant.has_models and kind in contestant.calls:
                answer: Any = await contestant.calls[kind]()
                same: Any = await contestants[reference].calls[kind]()
                assert answer, f"{name} finds nothing"
                assert answer == same or list(answer) == list(same), f"{name} reads other events"
        if contestant.has_models and "create" in contestant.calls:
            fresh = re.compile('"write_id": ?({[^}]*})')
            ids = [fresh.findall(one["create"][0][1]) for one in (first, second)]
            assert ids[0] != ids[1], f"{name} writes twice under one write_id"


def _timeless(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value of an expression without the time of the call."""
    ((kind, text),) = value.items()
    if kind == "S" and TIME.fullmatch(text):
        return {kind: "a time"}
    return {kind: "a number"} if kind == "N" else value


def _compare(words: str, own: Sent, expected: Sent) -> None:
    one, other = _in_order(own), _in_order(expected)
    assert one == other, f"{words}\n{one}\nand not\n{other}"


def _in_order(requests: Sent) -> list[Any]:
    """Return single requests instead of batches, in an order that does not depend on batches."""
    single: list[Any] = []
    for operation, request in plain(requests):
        if operation == "BatchGetItem":
            single += [
                ("GetItem", {"TableName": name, "Key": key, **settings})
                for name, asked in request["RequestItems"].items()
                for settings in [{each: asked[each] for each in asked.keys() - {"Keys"}}]
                for key in asked["Keys"]
            ]
        else:
            single.append((operation, request))
    return sorted(single, key=lambda one: json.dumps(one, sort_keys=True))


def plain(requests: Sent) -> list[Any]:
    """Return requests in one form, without the parts that differ between calls."""
    return [(operation, _plain(json.loads(body))) for operation, body in requests]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(_plain, value))
    if not isinstance(value, dict):
        return value
    names = value.get("ExpressionAttributeNames", {})
    values = value.get("ExpressionAttributeValues", {})

    def expression(text: str) -> str:
        meant = re.sub(
            r"[#:]\w+",
            lambda match: names.get(match[0]) or json.dumps(_timeless(values[match[0]])),
            text,
        )
        return meant.replace(" ", "")

    spelled: dict[str, Any] = {}
    for name, inner in value.items():
        if name in OWN or name.startswith("ExpressionAttribute"):
            continue
        if name.endswith("Expression"):
            spelled[name] = expression(inner)
        elif name == "write_id":
            spelled[name] = bool(re.fullmatch("[0-9a-f]{32}", inner["S"]))
        elif name == "entry":
            # Its time is that of the call, and the hashes depend on it.
            entry = json.loads(inner["S"])
            assert entry["event"] is not None
            spelled[name] = entry | {"at": decode_time(entry["at"]) is not None}
            assert hash_of(inner["S"]) == value["hash"]["S"]
        elif name in ("hash", "head"):
            spelled[name] = bool(re.fullmatch("[0-9a-f]{64}", inner["S"]))
        elif name in ("recorded_at", "used_at"):
            spelled[name] = decode_time(inner["S"]) is not None
        elif "used_at" in value and name in ("pk", "ttl"):
            # Which slot is chance, and its time to live follows from the time of the call.
            spelled[name] = SLOT_NUMBER.sub("", inner["S"]) if name == "pk" else "N" in inner
        elif name == "Limit":
            # This library asks for one more event than the page has, to see if another follows.
            spelled[name] = inner in (PAGE, PAGE + 1)
        elif (name, inner) not in DEFAULTS.items():
            spelled[name] = _plain(inner)
    return spelled
