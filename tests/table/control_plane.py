"""DynamoDB's requests about tables, answered for one table that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from aiobotocore.hooks import AioHierarchicalEmitter
from botocore.exceptions import ClientError

from aiobreakglass._table.problem import State
from tests.dynamodb.table.scripted import failure

Answer = dict[str, Any]


class ControlPlane:
    """A client of a table that changes as DynamoDB's tables do."""

    class exceptions:  # noqa: N801 - the client's own name
        class ResourceNotFoundException(ClientError):  # noqa: N818 - as DynamoDB names it
            pass

    meta = SimpleNamespace(
        events=AioHierarchicalEmitter(),
        region_name="eu-west-1",
        service_model=SimpleNamespace(
            service_name="dynamodb",
            operation_names=[
                "DescribeTable",
                "DescribeTimeToLive",
                "DescribeContinuousBackups",
                "UpdateTable",
                "UpdateTimeToLive",
                "UpdateContinuousBackups",
            ],
        ),
    )

    def __init__(self, state: State) -> None:
        self.description: Answer = deepcopy(dict(state.description))
        self.time_to_live = dict(state.time_to_live)
        self.recovery = state.recovery
        self.requests: list[str] = []
        """All requests, by the names of the methods."""
        self.changes: list[str] = []
        """What has changed, in order."""
        self.fails_at: int | None = None
        """The number of the request that fails, from 1."""
        self.fails_late = False
        """Whether it fails after it has done its work."""
        self.error: Exception = failure("InternalServerError", "UpdateTable")
        self.before_change: Callable[[], None] = lambda: None
        self.describes_until_active = 0

    @property
    def state(self) -> State:
        return State(
            deepcopy(self.description), dict(self.time_to_live), self.recovery, "eu-west-1"
        )

    async def describe_table(self, **_: Any) -> Answer:
        return await self._answer("describe_table", self._describe)

    async def describe_time_to_live(self, **_: Any) -> Answer:
        return await self._answer(
            "describe_time_to_live", lambda: {"TimeToLiveDescription": dict(self.time_to_live)}
        )

    async def describe_continuous_backups(self, **_: Any) -> Answer:
        recovery = {"PointInTimeRecoveryStatus": self.recovery}
        backups = {"PointInTimeRecoveryDescription": recovery}
        return await self._answer(
            "describe_continuous_backups", lambda: {"ContinuousBackupsDescription": backups}
        )

    async def update_table(self, **parameters: Any) -> Answer:
        return await self._answer("update_table", lambda: self._update(parameters))

    async def update_time_to_live(self, **parameters: Any) -> Answer:
        def update() -> Answer:
            self.before_change()
            specification = parameters["TimeToLiveSpecification"]
            if self.time_to_live["TimeToLiveStatus"] == "ENABLED":
                raise failure("ValidationException", "UpdateTimeToLive")
            self.time_to_live = {
                "TimeToLiveStatus": "ENABLED",
                "AttributeName": specification["AttributeName"],
            }
            self.changes.append("time to live")
            return {}

        return await self._answer("update_time_to_live", update)

    async def update_continuous_backups(self, **_: Any) -> Answer:
        def update() -> Answer:
            self.before_change()
            self.recovery = "ENABLED"
            self.changes.append("recovery")
            return {}

        return await self._answer("update_continuous_backups", update)

    async def _answer(self, method: str, work: Callable[[], Answer]) -> Answer:
        # Other callers send their requests meanwhile.
        await asyncio.sleep(0)
        self.requests.append(method)
        is_failing = len(self.requests) == self.fails_at
        if is_failing and not self.fails_late:
            raise self.error
        answer = work()
        if is_failing:
            raise self.error
        return answer

    def _describe(self) -> Answer:
        if self.describes_until_active:
            self.describes_until_active -= 1
            status = "UPDATING"
        else:
            status = "ACTIVE"
            for index in self.description["GlobalSecondaryIndexes"]:
                index["IndexStatus"] = "ACTIVE"
        return {"Table": deepcopy(self.description) | {"TableStatus": status}}

    def _update(self, parameters: Mapping[str, Any]) -> Answer:
        self.before_change()
        if self.describes_until_active:
            raise failure("ResourceInUseException", "UpdateTable")
        if "DeletionProtectionEnabled" in parameters:
            self.description["DeletionProtectionEnabled"] = True
            self.changes.append("deletion protection")
        if "StreamSpecification" in parameters:
            self.description["StreamSpecification"] = parameters["StreamSpecification"]
            self.changes.append("stream")
        for change in parameters.get("GlobalSecondaryIndexUpdates", ()):
            index = change["Create"]
            indexes = self.description["GlobalSecondaryIndexes"]
            if index["IndexName"] in [other["IndexName"] for other in indexes]:
                raise failure("ValidationException", "UpdateTable")
            indexes.append({**index, "IndexStatus": "CREATING"})
            self.changes.append(index["IndexName"])
        self.describes_until_active = 2
        return {}
