"""Which failures are refusals by conditions, and the rows that refused."""

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
    def test_refusal_has_the_row_of_each_refused_part(
        self, reasons: list[dict[str, Any]], rows: dict[str, Item | None]
    ) -> None:
        """A refusal has the existing row, if any, for the role of each refused part."""
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
    def test_other_failure_is_not_a_refusal(self, error: Exception) -> None:
        """Only a transaction whose conditions failed, without another reason, is a refusal."""
        assert refusal(error, PARTS) is None

    def test_refusal_with_another_row_is_a_broken_answer(self) -> None:
        """A refusal with a row that the request did not name answers another request."""
        error = cancelled({**CONDITION_FAILED, "Item": GUARD}, FINE)
        with pytest.raises(BrokenAnswerError, match="event"):
            refusal(error, PARTS)

    @pytest.mark.parametrize("number", [1, 3])
    def test_other_number_of_reasons_is_a_broken_answer(self, number: int) -> None:
        """An answer about more or fewer parts answers another request."""
        with pytest.raises(BrokenAnswerError):
            refusal(cancelled(*[CONDITION_FAILED] * number), PARTS)
