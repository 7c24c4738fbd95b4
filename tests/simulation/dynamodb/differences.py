"""Where an emulator is known to answer otherwise than the model, which follows AWS."""

from __future__ import annotations

from typing import Final

from tests.simulation.dynamodb.cases import Difference

_INVALID: Final = "ValidationException"
_CANCELLED: Final = "TransactionCanceledException"

_LOCAL: Final = "dynamodb-local"
_MOTO: Final = "moto"

_JUDGES_FIRST: Final = (
    "It judges the conditions first, and looks for a row that comes twice only if they hold"
)
_NO_EMPTY_TEXTS: Final = (
    "The build is older than May 2020, when empty texts were allowed outside of keys"
)
_ANY_KEY: Final = (
    "It judges the condition as if there was no row, and does not mind the kind of the key"
)

DIFFERENCES: Final[tuple[Difference, ...]] = (
    Difference(_LOCAL, "two actions on one row", _INVALID, _CANCELLED, _JUDGES_FIRST),
    Difference(_LOCAL, "an action twice", _INVALID, _CANCELLED, _JUDGES_FIRST),
    Difference(
        _LOCAL,
        "an update that does not fit the row",
        _CANCELLED,
        _INVALID,
        # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
        "AWS gives it as the reason of one action; the build of 2020 refuses the whole request",
    ),
    Difference(
        _LOCAL,
        "more actions than DynamoDB Local takes",
        "*",
        _INVALID,
        "The build of 2020 takes 10 actions, AWS 100",
    ),
    Difference(
        _LOCAL, "an empty token", _INVALID, "*", "It takes an empty token for none; AWS wants one"
    ),
    Difference(_LOCAL, "an empty text in an expression", "*", _INVALID, _NO_EMPTY_TEXTS),
    Difference(_LOCAL, "an empty text in an item", "*", _INVALID, _NO_EMPTY_TEXTS),
    Difference(_MOTO, "*", _INVALID, "ok", "It takes much that DynamoDB refuses"),
    Difference(_MOTO, "*", _INVALID, _CANCELLED, "It finds one action wrong, or its condition"),
    Difference(_MOTO, "*", _INVALID, "500", "It fails on much that DynamoDB refuses"),
    Difference(
        _MOTO,
        "an unknown table",
        "ResourceNotFoundException",
        _CANCELLED,
        "It gives it as the reason of one action",
    ),
    Difference(
        _MOTO,
        "an unknown index",
        _INVALID,
        "ResourceNotFoundException",
        "It takes an index for a table of its own",
    ),
    Difference(
        _MOTO, "null in an expression", _CANCELLED, "ok", "It takes a missing attribute for null"
    ),
    Difference(
        _MOTO,
        "* as a key",
        _CANCELLED,
        _INVALID,
        "It refuses the whole request for the key of one action",
    ),
    Difference(_MOTO, "* as a key", _CANCELLED, _CANCELLED, _ANY_KEY),
    Difference(_MOTO, "* as a key", _CANCELLED, "ok", _ANY_KEY),
    Difference(_MOTO, "*", "ok, more to come", "ok", "It says at once that a list has ended"),
    Difference(_MOTO, "repetition", "ok", "*", "It knows no tokens, and writes again"),
)
