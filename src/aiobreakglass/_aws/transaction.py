"""Build a write as one transaction of parts, and name its refused parts by role; all pure.

Every write is one TransactWriteItems, all or nothing
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, NamedTuple

MAX_PARTS: Final = 10
"""The limit of DynamoDB Local, well under the 100 that AWS allows."""

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

Request = dict[str, Any]
"""The parameters of one call."""


class Part(NamedTuple):
    """One item's part of a transaction."""

    role: str
    """What the item is for; a refusal names its parts by role."""
    key: Item
    """The item's primary key."""
    action: dict[str, Any]
    """`Put`, `Update`, `Delete` or `ConditionCheck`, with its parameters."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction that wrote nothing because conditions failed or because it was too late."""

    rows: Mapping[str, Item | None]
    """The existing row, if any, for the role of each refused part; empty if it was too late."""
    may_still_land: bool = False
    """Whether an earlier attempt of the same write was lost and may still commit."""


def transaction(parts: Sequence[Part], token: str) -> Request:
    """Return the parameters of TransactWriteItems, or raise `ValueError` for unsuitable parts.

    With the same token, DynamoDB takes the same bytes within 10 minutes as the same write.
    """
    if not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(f"a transaction must have 1 to {MAX_PARTS} parts, not {len(parts)}")
    if len({part.role for part in parts}) != len(parts):
        raise ValueError("a transaction must have at most one part for each role")
    if any(one.key == other.key for one, other in combinations(parts, 2)):
        raise ValueError("a transaction must have at most one part for each key")
    return {
        "TransactItems": [part.action for part in parts],
        "ClientRequestToken": token,
    }


def refusal(reasons: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> Refusal | None:
    """Return the refusal if the cancellation reasons are all failed conditions; otherwise None.

    If a part failed for a reason other than `ConditionalCheckFailed`, a retry of the transaction
    gives a clear answer. Raises `ValueError` if a returned row is not the row of its part.
    """
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    if codes != {"ConditionalCheckFailed"}:
        return None
    rows: dict[str, Item | None] = {}
    for part, reason in zip(parts, reasons, strict=True):
        if reason.get("Code") == "ConditionalCheckFailed":
            row = rows[part.role] = reason.get("Item")
            if row is not None and not part.key.items() <= row.items():
                raise ValueError(f"DynamoDB returned another row than that of the {part.role}")
    return Refusal(rows)


def too_large(reasons: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> Part | None:
    """Return the part whose item is larger than DynamoDB allows, if there is one."""
    for part, reason in zip(parts, reasons, strict=False):
        if reason.get("Code") == "ValidationError" and is_about_size(reason.get("Message") or ""):
            return part
    return None


def is_about_size(message: str) -> bool:
    """Return whether DynamoDB says that an item is too large.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    return message.startswith("Item size ") and "exceeded the maximum allowed size" in message
