"""Parts that make up one transaction."""

from __future__ import annotations

import pytest

from aiobreakglass._aws.transaction import MAX_PARTS, Part, transaction


def part(number: int, *, role: str = "", key: int | None = None) -> Part:
    name = f"K{number if key is None else key}"
    return Part(role or f"role {number}", {"pk": {"S": name}}, {"Put": {"Item": number}})


class TestTransaction:
    def test_transaction_keeps_the_order_of_its_parts(self) -> None:
        """The parts keep their order, and the transaction has the token of the write."""
        assert transaction([part(1), part(2)], "t-1") == {
            "TransactItems": [{"Put": {"Item": 1}}, {"Put": {"Item": 2}}],
            "ClientRequestToken": "t-1",
        }

    def test_transaction_of_ten_parts(self) -> None:
        """Ten parts are the maximum for every DynamoDB."""
        parts = [part(number) for number in range(MAX_PARTS)]
        assert len(transaction(parts, "t")["TransactItems"]) == MAX_PARTS

    @pytest.mark.parametrize(
        ("parts", "rule"),
        [
            pytest.param([], "1 to 10 parts, not 0", id="none"),
            pytest.param([part(n) for n in range(11)], "1 to 10 parts, not 11", id="too many"),
            pytest.param([part(1), part(2, key=1)], "one part for each key", id="one key twice"),
            pytest.param(
                [part(1, role="a"), part(2, role="a")],
                "one part for each role",
                id="one role twice",
            ),
        ],
    )
    def test_transaction_of_conflicting_parts_is_refused(
        self, parts: list[Part], rule: str
    ) -> None:
        """The library finds its own error before it sends the transaction."""
        with pytest.raises(ValueError, match=rule):
            transaction(parts, "t")
