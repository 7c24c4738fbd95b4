"""What can become of a request on its way there and back; and at the service itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

NEVER: Final = float("inf")


class Fate(NamedTuple):
    """What becomes of one attempt; times are seconds."""

    name: str = ""
    """Of the fault; empty if nothing goes wrong."""
    there: float = 0.003
    """How long it takes to the service."""
    back: float = 0.003
    """How long the answer takes to the sender."""
    again: float = NEVER
    """How long after it a copy arrives, whose answer nobody gets."""
    refused: str = ""
    """The error that the service answers instead of carrying the request out."""
    failed: str = ""
    """The error that it answers although it has carried the request out."""
    broken: str = ""
    """How the connection ends instead of an answer."""
    spoiled: str = ""
    """What happens to the answer of a success."""
    then: str = ""
    """The error that the service answers to the next attempt of the same write."""


STATUS: Final = {
    "InternalFailure": 500,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "BadGateway": 502,
    "GatewayTimeout": 504,
}
"""The HTTP status of each error that is not 400."""

CONFLICTS: Final = {
    "conflict": ("None", "TransactionConflict"),
    "conflict and refusal": ("ConditionalCheckFailed", "TransactionConflict"),
    "throttled inside": ("None", "ThrottlingError"),
    "capacity inside": ("None", "ProvisionedThroughputExceeded"),
}
"""Transactions that are cancelled for reasons that go away: the codes of their first two parts."""

_Make = Callable[[Random, Fate], Fate]


def _late(random: Random) -> float:
    """Return a delay beyond the patience of any sender, up to a minute and a bit."""
    return 3 + random.random() ** 2 * 67


def _refused(code: str) -> _Make:
    return lambda random, fate: fate._replace(refused=code)


def _failed(code: str) -> _Make:
    return lambda random, fate: fate._replace(failed=code)


def _spoiled(how: str) -> _Make:
    return lambda random, fate: fate._replace(spoiled=how)


_ON_THE_WAY: Final[dict[str, tuple[int, _Make]]] = {
    "request lost": (3, lambda random, fate: fate._replace(there=NEVER)),
    "answer lost": (6, lambda random, fate: fate._replace(back=NEVER)),
    "request slow": (4, lambda random, fate: fate._replace(there=random.random() * 2.8)),
    "answer slow": (2, lambda random, fate: fate._replace(back=random.random() * 2.8)),
    "request late": (6, lambda random, fate: fate._replace(there=_late(random))),
    "answer late": (2, lambda random, fate: fate._replace(back=_late(random))),
    "request twice": (3, lambda random, fate: fate._replace(again=random.random() * 0.1)),
    "request twice, late": (3, lambda random, fate: fate._replace(again=_late(random))),
    "reset before": (2, lambda random, fate: fate._replace(there=NEVER, broken="reset")),
    "reset after": (4, lambda random, fate: fate._replace(broken="reset")),
    "no connection": (2, lambda random, fate: fate._replace(there=NEVER, broken="unreachable")),
    "connection slow": (1, lambda random, fate: fate._replace(there=NEVER, broken="slow")),
    "body cut": (2, _spoiled("cut")),
    "crc32 wrong": (1, _spoiled("flipped")),
    "body empty": (1, _spoiled("empty")),
    "body no JSON": (1, _spoiled("page")),
    "body null": (1, _spoiled("null")),
}

_AT_THE_SERVICE: Final[dict[str, tuple[int, _Make]]] = {
    **{
        f"{code} before": (1, _refused(code))
        for code in (
            *STATUS,
            "ThrottlingException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ExpiredTokenException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "AccessDeniedException",
        )
    },
    **{f"{code} after": (1, _failed(code)) for code in STATUS},
}

_OF_WRITES: Final[dict[str, tuple[int, _Make]]] = {
    **{name: (1, _refused(name)) for name in CONFLICTS},
    "answer lost, then denied": (
        2,
        lambda random, fate: fate._replace(back=NEVER, then="AccessDeniedException"),
    ),
    "request late, then expired": (
        2,
        lambda random, fate: fate._replace(there=_late(random), then="ExpiredTokenException"),
    ),
    "failed after, then denied": (
        2,
        lambda random, fate: fate._replace(
            failed="InternalServerError", then="AccessDeniedException"
        ),
    ),
    "TransactionInProgressException": (1, _refused("TransactionInProgressException")),
    "ReplicatedWriteConflictException": (1, _refused("ReplicatedWriteConflictException")),
}

_OF_SINGLE_ROWS: Final[dict[str, tuple[int, _Make]]] = {
    "another's answer": (4, _spoiled("another's")),
}

_OF_BATCHES: Final[dict[str, tuple[int, _Make]]] = {
    "keys left": (12, _spoiled("keys left")),
}


_OF_QUERIES: Final[dict[str, tuple[int, _Make]]] = {
    "page short": (12, _spoiled("page short")),
}


def _table(*groups: dict[str, tuple[int, _Make]]) -> list[tuple[str, _Make]]:
    """Return each fault as often as it weighs."""
    return [
        (name, make)
        for group in groups
        for name, (weight, make) in group.items()
        for _ in range(weight)
    ]


Faults = Mapping[str, Sequence[tuple[str, _Make]]]

FAULTS: Final[Faults] = {
    "GetItem": _table(_ON_THE_WAY, _AT_THE_SERVICE, _OF_SINGLE_ROWS),
    "Query": _table(_ON_THE_WAY, _AT_THE_SERVICE, _OF_QUERIES),
    "BatchGetItem": _table(_ON_THE_WAY, _AT_THE_SERVICE, _OF_BATCHES),
    "TransactWriteItems": _table(_ON_THE_WAY, _AT_THE_SERVICE, _OF_WRITES),
}
"""The faults that can meet each operation."""

ONLY_CONFLICTS: Final[Faults] = {
    "TransactWriteItems": [("conflict", _refused("conflict"))],
}
