"""Check once whether somebody holds access, with stock aiobotocore.

`python -m benchmarks.cold_stock URL` prints its CPU time when it has its answer. It is written as
one would without this library: aiobotocore, two reads and a pydantic model.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from aiobotocore.session import get_session
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class ReasonCode(StrEnum):
    INCIDENT = "incident"
    MAINTENANCE = "maintenance"
    SECURITY = "security"
    RECOVERY = "recovery"
    OTHER = "other"


class Status(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"
    EXPIRED = "expired"


class Event(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    invoker: Name
    profile: Name
    reason_code: ReasonCode
    justification: Annotated[str, Field(min_length=20, max_length=1000)]
    duration: timedelta
    status: Status
    created_at: AwareDatetime
    updated_at: AwareDatetime
    expires_at: AwareDatetime
    closed_by: Name | None = None
    closed_reason: Text | None = None
    request_id: Name | None = None
    mfa_verified: bool = False
    mfa_method: Name | None = None
    mfa_challenge_id: Name | None = None


async def main(url: str) -> None:
    async with get_session().create_client(
        "dynamodb", region_name="eu-central-1", endpoint_url=url
    ) as client:

        async def get(key: str) -> dict[str, Any]:
            answer = await client.get_item(
                TableName="breakglass", Key={"pk": {"S": key}}, ConsistentRead=True
            )
            # Convert by hand, because importing boto3 for its types would cost more.
            return {name: next(iter(value.values())) for name, value in answer["Item"].items()}

        guard = await get("ACTIVE#5#alice#prod")
        row = await get(f"BREAKGLASS#{guard['event_id']}")
        row["duration"] = timedelta(microseconds=int(row["duration"]) // 1000)
        event = Event.model_validate(row)
        assert event.status is Status.ACTIVE
        assert event.expires_at > datetime.now(UTC)
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
