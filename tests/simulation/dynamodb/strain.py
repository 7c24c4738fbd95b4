"""What DynamoDB answers when it is short of resources, or when requests meet.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.simulation.dynamodb import reads
from tests.simulation.dynamodb.refusals import Reason, RefusedError, cancelled, no_reason
from tests.simulation.dynamodb.table import Table

_THROTTLED: Final = (
    ("ProvisionedThroughputExceededException", "The level of configured throughput was exceeded"),
    ("RequestLimitExceeded", "Throughput exceeds the current throughput limit for your account"),
    ("ThrottlingException", "Throughput exceeds the current capacity of your table"),
)
_REASONS: Final = (
    ("TransactionConflict", "Transaction is ongoing for the item"),
    ("TransactionConflict", "Transaction is ongoing for the item"),
    ("ProvisionedThroughputExceeded", "The level of configured throughput was exceeded"),
    ("ThrottlingError", "Throughput exceeds the current capacity of your table"),
)


def partial_answer(table: Table, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request in part, or refuse it."""
    random = table.random
    if operation == "BatchGetItem" and random.random() < 0.7:
        return reads.batch_get_item(table, request, at_most=random.randrange(100))
    if operation == "Query" and random.random() < 0.7:
        return reads.query(table, request, at_most=random.randint(1, 5))
    if operation == "TransactWriteItems" and random.random() < 0.7:
        entries = request["TransactItems"]
        reasons: list[Reason] = [no_reason() for _ in entries]
        code, message = random.choice(_REASONS)
        reasons[random.randrange(len(reasons))] = {"Code": code, "Message": message}
        raise cancelled(reasons)
    raise RefusedError(*random.choice(_THROTTLED))
