"""Whether an answer is about the requested row."""

from __future__ import annotations

from typing import Any

import pytest

from aiobreakglass._aws.failures import BrokenAnswerError
from aiobreakglass._aws.outcomes import check_rows
from aiobreakglass._aws.transaction import Item
from aiobreakglass._dynamodb.requests import has

ASKED: Item = {"pk": {"S": "A"}}


class TestCheckRows:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({}, id="no row"),
            pytest.param({"Item": {"pk": {"S": "A"}, "n": {"N": "1"}}}, id="the row"),
            pytest.param({"Items": [], "Count": 0}, id="no rows"),
            pytest.param({"Items": [{"pk": {"S": "A"}}] * 2, "Count": 2}, id="rows"),
            pytest.param({"Count": 2}, id="a count"),
        ],
    )
    def test_requested_rows_pass(self, answer: dict[str, Any]) -> None:
        """Rows with the requested attributes pass."""
        check_rows(answer, has(ASKED))

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({"Item": {"pk": {"S": "B"}}}, id="another row"),
            pytest.param({"Item": {}}, id="a row without a key"),
            pytest.param({"Items": [{"pk": {"S": "A"}}, {"pk": {"S": "B"}}]}, id="one of two"),
        ],
    )
    def test_another_row_is_a_broken_answer(self, answer: dict[str, Any]) -> None:
        """A row that was not requested is a broken answer, and grants nothing."""
        with pytest.raises(BrokenAnswerError):
            check_rows(answer, has(ASKED))
