"""A client with scripted answers, and DynamoDB's answers about tables."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from aiobotocore.hooks import AioHierarchicalEmitter
from botocore.exceptions import ClientError

from aiobreakglass import create_table

from .definition import DEFINITION


class ScriptedClient:
    """Give the scripted answers of each method in turn, and the last one for ever."""

    class exceptions:  # noqa: N801 - the client's own name
        class ResourceNotFoundException(ClientError):  # noqa: N818 - as DynamoDB names it
            pass

    meta = SimpleNamespace(
        events=AioHierarchicalEmitter(),
        service_model=SimpleNamespace(
            service_name="dynamodb", operation_names=["DescribeTable", "TransactWriteItems"]
        ),
    )

    def __init__(self, **answers: list[Any]) -> None:
        self._answers: dict[str, list[Any]] = {
            "create_table": [{}],
            "transact_write_items": [failure("ValidationException")],
            "describe_time_to_live": [time_to_live("DISABLED")],
            "update_time_to_live": [{}],
            **answers,
        }
        self.calls: list[str] = []

    def __getattr__(self, method: str) -> Any:
        answers = self._answers[method]

        async def call(**_: Any) -> Any:
            self.calls.append(method)
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


async def make(client: Any, **arguments: Any) -> None:
    await create_table(
        client, **{"table_name": "breakglass", "timeout": timedelta(seconds=5), **arguments}
    )


def table(status: str, *index_statuses: str, **attributes: Any) -> dict[str, Any]:
    description = {**deepcopy(DEFINITION), "TableStatus": status, **attributes}
    indexes = description["GlobalSecondaryIndexes"]
    for index, index_status in zip(indexes, index_statuses, strict=False):
        index["IndexStatus"] = index_status
    return {"Table": description}


def time_to_live(status: str, attribute: str | None = None) -> dict[str, Any]:
    state = {"TimeToLiveStatus": status}
    return {"TimeToLiveDescription": state | ({"AttributeName": attribute} if attribute else {})}


def failure(code: str, operation: str = "DescribeTable") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "DynamoDB's words"}}, operation)


def not_found() -> ClientError:
    response: Any = failure("ResourceNotFoundException").response
    return ScriptedClient.exceptions.ResourceNotFoundException(response, "DescribeTable")
