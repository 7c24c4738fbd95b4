"""Which failures are refusals by conditions, and by which rows."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass._aws.failures import BrokenAnswerError
from aiobreakglass._aws.outcomes import refusal
from aiobreakglass._aws.transaction import Item, Part, Refusal

from .failures import CONDITION_FAILED, CONFLICT, FINE, READ_TIMEOUT, cancelled, client_error

HELD: Item = {"pk": {"S": "BREAKGLASS#0123456789abcdef"}, "status": {"S": "active"}}

PARTS = [
    Part("event", {"pk": {"S": "BREAKGLASS#0123456789abcdef"}}, {}),
    Part("guard", {"pk": {"S": "ACTIVE#5#alice#prod"}}, {}),
]
GUARD: Item = {"pk": {"S": "ACTIVE#5#alice#prod"}}


class TestRefusal:
    @pytest.mark.parametrize(
        ("reasons", "rows"),
        [
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, FINE], {"event": HELD}, id="the first part"
            ),
            pytest.param(
                [FINE, {**CONDITION_FAILED, "Item": GUARD}], {"guard": GUARD}, id="the second part"
            ),
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, CONDITION_FAILED],
                {"event": HELD, "guard": None},
                id="both parts, one by a missing row",
            ),
            pytest.param([{}, CONDITION_FAILED], {"guard": None}, id="a part without a code"),
            pytest.param(
                [{"Code": None}, CONDITION_FAILED], {"guard": None}, id="a part with a null code"
            ),
        ],
    )
    def test_conditions_that_failed(
        self, reasons: list[dict[str, Any]], rows: dict[str, Item | None]
    ) -> None:
        """A refusal names each part that was refused, by its role, and the row in its place."""
        assert refusal(cancelled(*reasons), PARTS) == Refusal(rows, may_still_land=False)

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(cancelled(CONDITION_FAILED, CONFLICT), id="mixed with a conflict"),
            pytest.param(
                cancelled({"Code": "ThrottlingError"}, CONDITION_FAILED),
                id="mixed with throttling",
            ),
            pytest.param(
                cancelled({"Code": "ValidationError"}, CONDITION_FAILED), id="mixed with invalid"
            ),
            pytest.param(cancelled(CONFLICT, FINE), id="a conflict"),
            pytest.param(cancelled(FINE, FINE), id="no reason at all"),
            pytest.param(cancelled(), id="no reasons"),
            pytest.param(client_error("TransactionCanceledException"), id="reasons left out"),
            pytest.param(client_error("ConditionalCheckFailedException"), id="not a transaction"),
            pytest.param(client_error("InternalServerError", 500), id="a failed server"),
            pytest.param(READ_TIMEOUT, id="no answer"),
            pytest.param(ValueError("ConditionalCheckFailed"), id="not of DynamoDB"),
        ],
    )
    def test_other_failures(self, error: Exception) -> None:
        """A refusal is a transaction of which conditions, and only conditions, have failed."""
        assert refusal(error, PARTS) is None

    def test_row_of_another_key(self) -> None:
        """A refusal by a row that was not asked about is an answer to somebody else."""
        error = cancelled({**CONDITION_FAILED, "Item": GUARD}, FINE)
        with pytest.raises(BrokenAnswerError, match="event"):
            refusal(error, PARTS)

    @pytest.mark.parametrize("number", [1, 3])
    def test_reasons_for_another_number_of_parts(self, number: int) -> None:
        """An answer about more or fewer parts is not the answer to this request."""
        with pytest.raises(BrokenAnswerError):
            refusal(cancelled(*[CONDITION_FAILED] * number), PARTS)
