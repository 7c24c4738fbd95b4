"""Where the model is known to answer otherwise than an emulator; it follows AWS's documentation."""

from __future__ import annotations

from typing import Final

from tests.simulation.dynamodb.cases import Difference

_INVALID = "ValidationException"
_CANCELLED = "TransactionCanceledException"
_OK = "ok"

_LOCAL: Final = "dynamodb-local"
_MOTO: Final = "moto"

DIFFERENCES: Final[tuple[Difference, ...]] = (
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    Difference(
        _LOCAL,
        "two actions on one row",
        _INVALID,
        _CANCELLED,
        "It judges the conditions first, and looks for a row that comes twice only if they hold.",
    ),
    Difference(
        _LOCAL,
        "an action twice",
        _INVALID,
        _CANCELLED,
        "It judges the conditions first, and looks for a row that comes twice only if they hold.",
    ),
    Difference(
        _LOCAL,
        "an update that does not fit the row",
        _CANCELLED,
        _INVALID,
        "AWS gives these as a reason of the action; the build of 2020 refuses the whole request.",
    ),
    Difference(
        _LOCAL,
        "more actions than DynamoDB Local takes",
        _CANCELLED,
        _INVALID,
        "It takes 10 actions, AWS 100.",
    ),
    Difference(
        _LOCAL,
        "more actions than DynamoDB Local takes",
        _OK,
        _INVALID,
        "It takes 10 actions, AWS 100.",
    ),
    Difference(_LOCAL, "an empty token", _INVALID, _OK, "It takes an empty token for none."),
    Difference(
        _LOCAL, "an empty token", _INVALID, _CANCELLED, "It takes an empty token for none."
    ),
    Difference(
        _LOCAL,
        "an empty text in an expression",
        _OK,
        _INVALID,
        "It is of 2020, before empty texts were allowed outside of keys.",
    ),
    Difference(
        _LOCAL,
        "an empty text in an expression",
        _CANCELLED,
        _INVALID,
        "It is of 2020, before empty texts were allowed outside of keys.",
    ),
    Difference(
        _LOCAL,
        "an empty text in an item",
        _OK,
        _INVALID,
        "It is of 2020, before empty texts were allowed outside of keys.",
    ),
    Difference(
        _LOCAL,
        "an empty text in an item",
        _CANCELLED,
        _INVALID,
        "It is of 2020, before empty texts were allowed outside of keys.",
    ),
    Difference(_MOTO, "*", _INVALID, _OK, "It takes much that DynamoDB refuses."),
    Difference(_MOTO, "*", _INVALID, _CANCELLED, "It takes much that DynamoDB refuses."),
    Difference(_MOTO, "*", _INVALID, "500", "It fails on much that DynamoDB refuses."),
    Difference(_MOTO, "*", "ok, more to come", "ok", "At the end of a list it tells so at once."),
    Difference(_MOTO, "repetition", _OK, _OK, "It knows no tokens, and writes again."),
    Difference(_MOTO, "repetition", _OK, _CANCELLED, "It knows no tokens, and writes again."),
)
