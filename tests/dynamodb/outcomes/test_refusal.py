"""Which failures are refusals by conditions, and by which rows."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass._dynamodb.codec import Item
from aiobreakglass._dynamodb.outcomes import Refusal, refusal

from .failures import CONDITION_FAILED, CONFLICT, FINE, READ_TIMEOUT, cancelled, client_error

HELD: Item = {"pk": {"S": "BREAKGLASS#0123456789abcdef"}, "status": {"S": "active"}}


class TestRefusal:
    @pytest.mark.parametrize(
        ("reasons", "rows"),
        [
            pytest.param([{**CONDITION_FAILED, "Item": HELD}], {0: HELD}, id="the only part"),
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, FINE], {0: HELD}, id="the first part"
            ),
            pytest.param(
                [FINE, {**CONDITION_FAILED, "Item": HELD}], {1: HELD}, id="the second part"
            ),
            pytest.param(
                [{**CONDITION_FAILED, "Item": HELD}, CONDITION_FAILED],
                {0: HELD, 1: None},
                id="both parts, one by a missing row",
            ),
            pytest.param([{}, CONDITION_FAILED], {1: None}, id="a part without a code"),
            pytest.param(
                [{"Code": None}, CONDITION_FAILED], {1: None}, id="a part with a null code"
            ),
        ],
    )
    def test_conditions_that_failed(
        self, reasons: list[dict[str, Any]], rows: dict[int, Item | None]
    ) -> None:
        """A refusal tells of each part that was refused the row in its place, if any."""
        assert refusal(cancelled(*reasons)) == Refusal(rows, may_still_land=False)

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
        assert refusal(error) is None
