"""Tables on real APIs of DynamoDB, made in different ways, and verified and hardened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name

from aiobreakglass import (
    Hardening,
    TableError,
    cloudformation_template,
    create_table,
    harden_table,
    verify_table,
)
from tests.dynamodb.conftest import REGION
from tests.dynamodb.table.test_review_index import without_review_index

from .commands import request_of

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

PROTECTIONS = ["deletion protection", "point-in-time recovery"]


async def kinds(client: DynamoDBClient, name: str) -> list[str]:
    return [finding.kind for finding in await verify_table(client, name)]


class TestOnBoth:
    async def test_created_table_lacks_only_the_protections(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """DynamoDB Local has none; on moto they are turned on, and stay on."""
        await create_table(client, name)
        found = await verify_table(client, name)
        assert [finding.kind for finding in found] == PROTECTIONS
        hardening = await harden_table(client, name)
        if found[0].found == "off":
            assert hardening == Hardening(tuple(found), ())
            assert await harden_table(client, name) == Hardening((), ())
        else:
            assert {finding.found for finding in found} == {"not known to this endpoint"}
            assert hardening == Hardening((), tuple(found))

    async def test_table_from_before_reviews_gets_its_index(
        self, client: DynamoDBClient, name: str
    ) -> None:
        """TTL stays off, because nobody asked for it."""
        await client.create_table(**without_review_index(name))
        found = await kinds(client, name)
        assert found == ["missing index", *PROTECTIONS, "time to live"]
        hardening = await harden_table(client, name)
        assert "missing index" in [finding.kind for finding in hardening.repaired]
        left = await kinds(client, name)
        assert left == [finding.kind for finding in hardening.left]
        assert left[-1] == "time to live"
        await harden_table(client, name, time_to_live=True)
        assert await kinds(client, name) == left[:-1]

    async def test_missing_table_is_an_error(self, client: DynamoDBClient, name: str) -> None:
        """Both calls say so."""
        with pytest.raises(TableError, match="make it with create_table"):
            await verify_table(client, name)
        with pytest.raises(TableError, match="make it with create_table"):
            await harden_table(client, name)


async def test_fixes_repair_what_was_found(moto_client: DynamoDBClient, name: str) -> None:
    """Whoever runs the commands of all findings has a table without any."""
    await moto_client.create_table(**without_review_index(name))
    found = await verify_table(moto_client, name)
    assert len(found) == 4
    for finding in found:
        operation, parameters = request_of(finding.fix)
        await getattr(moto_client, xform_name(operation))(**parameters)
    assert await verify_table(moto_client, name) == []


@pytest.mark.slow
async def test_stack_deploys(moto_endpoint: str, session: Any, name: str) -> None:
    """moto's CloudFormation ignores TTL and recovery, so these are all that is found."""
    async with session.create_client(
        "cloudformation", region_name=REGION, endpoint_url=moto_endpoint
    ) as formation:
        await formation.create_stack(StackName=name, TemplateBody=cloudformation_template(name))
        answer = await formation.describe_stacks(StackName=name)
        assert answer["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    async with session.create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        assert await kinds(client, name) == ["point-in-time recovery", "time to live"]
