"""How a history is told, line by line."""

from __future__ import annotations

from tests.simulation.client import Reply
from tests.simulation.record import Packet


def described(packet: Packet) -> str:
    """Return a packet in a few words."""
    fault = f" [{packet.fate.name}]" if packet.fate.name else ""
    call = packet.call
    whose = "" if call is None else f" for {call}"
    return f"{packet.operation} {', '.join(keys_of(packet))}{whose}{fault}"


def keys_of(packet: Packet) -> list[str]:
    """Return the rows that a request is about, with what it does to each."""
    request = packet.request
    if "Key" in request:
        return [str(request["Key"]["pk"]["S"])]
    if "TransactItems" in request:
        return [
            f"{kind} {parameters.get('Key', parameters.get('Item'))['pk']['S']}"
            for action in request["TransactItems"]
            for kind, parameters in action.items()
        ]
    if "RequestItems" in request:
        return [
            str(key["pk"]["S"])
            for each in request["RequestItems"].values()
            for key in each["Keys"]
        ]
    return [str(request["IndexName"])]


def told(reply: Reply) -> str:
    """Return a reply in a few words."""
    if reply.status != 200:
        codes = [each.get("Code") for each in reply.parsed.get("CancellationReasons", ())]
        return f"{reply.parsed['Error']['Code']} {codes or ''}".rstrip()
    if "Item" in reply.parsed:
        item = reply.parsed["Item"]
        words = [item[name]["S"] for name in ("event_id", "status", "updated_at") if name in item]
        return " ".join(words) or "a row"
    return "done" if len(reply.parsed) == 1 else f"{len(reply.body)} bytes"
