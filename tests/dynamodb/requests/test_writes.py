"""What is sent to write, to the letter."""

from __future__ import annotations

import pytest

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._arguments import check_listing
from aiobreakglass._dynamodb import requests
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.requests import Part

from .example import ABSENT, CLOSED, CLOSED_ROW, EVENT, GUARD, ID, ROW, TABLE, TOMBSTONE, row

PUT_IF_NEW: Part = {
    "TableName": "breakglass",
    "ConditionExpression": "attribute_not_exists(#pk)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
PUT_IF_AS_READ: Part = {
    "TableName": "breakglass",
    "ConditionExpression": (
        "#id = :id AND #invoker = :invoker AND #profile = :profile "
        "AND #reason_code = :reason_code AND #justification = :justification "
        "AND #duration = :duration AND #status = :status AND #created_at = :created_at "
        "AND #updated_at = :updated_at AND #expires_at = :expires_at "
        "AND attribute_not_exists(#closed_by) AND attribute_not_exists(#closed_reason) "
        "AND attribute_not_exists(#request_id) AND #mfa_verified = :mfa_verified "
        "AND attribute_not_exists(#mfa_method) AND attribute_not_exists(#mfa_challenge_id)"
    ),
    "ExpressionAttributeNames": {f"#{name}": name for name in BreakGlassEvent.model_fields},
    "ExpressionAttributeValues": {
        ":id": {"S": ID},
        ":invoker": {"S": "alice"},
        ":profile": {"S": "prod"},
        ":reason_code": {"S": "incident"},
        ":justification": {"S": "The primary database does not answer"},
        ":duration": {"N": "3600000000000"},
        ":status": {"S": "active"},
        ":created_at": {"S": "2024-03-01T12:00:00.000000Z"},
        ":updated_at": {"S": "2024-03-01T12:00:00.000000Z"},
        ":expires_at": {"S": "2024-03-01T13:00:00.000000Z"},
        ":mfa_verified": {"BOOL": False},
    },
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}
DELETE_GUARD: Part = {
    "TableName": "breakglass",
    "Key": {"pk": {"S": "ACTIVE#5#alice#prod"}},
    "ExpressionAttributeValues": {":event_id": {"S": ID}},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}

WRITES = [
    pytest.param(
        requests.create(TABLE, EVENT, ROW),
        [{"Put": {**PUT_IF_NEW, "Item": ROW}}, {"Put": {**PUT_IF_NEW, "Item": GUARD}}],
        id="create an active event",
    ),
    pytest.param(
        requests.create(TABLE, CLOSED, CLOSED_ROW),
        [{"Put": {**PUT_IF_NEW, "Item": CLOSED_ROW}}],
        id="create a closed event",
    ),
    pytest.param(
        [requests.replace(TABLE, ROW, CLOSED_ROW)],
        [{"Put": {**PUT_IF_AS_READ, "Item": CLOSED_ROW}}],
        id="replace",
    ),
    pytest.param(
        [
            requests.replace(
                TABLE,
                row(EVENT, updated_at={"S": "2024-03-01T12:00:00.1Z"}, status={"N": "1"}),
                TOMBSTONE,
            )
        ],
        [
            {
                "Put": {
                    **PUT_IF_AS_READ,
                    "Item": TOMBSTONE,
                    "ExpressionAttributeValues": {
                        **PUT_IF_AS_READ["ExpressionAttributeValues"],
                        ":updated_at": {"S": "2024-03-01T12:00:00.1Z"},
                        ":status": {"N": "1"},
                    },
                }
            }
        ],
        id="replace what another writer stored",
    ),
    pytest.param(
        [requests.replace(TABLE, row(EVENT, status=ABSENT, expires_at=ABSENT), TOMBSTONE)],
        [
            {
                "Put": {
                    **PUT_IF_AS_READ,
                    "Item": TOMBSTONE,
                    "ConditionExpression": (
                        PUT_IF_AS_READ["ConditionExpression"]
                        .replace("#status = :status", "attribute_not_exists(#status)")
                        .replace("#expires_at = :expires_at", "attribute_not_exists(#expires_at)")
                    ),
                    "ExpressionAttributeValues": {
                        name: value
                        for name, value in PUT_IF_AS_READ["ExpressionAttributeValues"].items()
                        if name not in (":status", ":expires_at")
                    },
                }
            }
        ],
        id="replace a row without some attributes",
    ),
    pytest.param(
        [requests.replace(TABLE, {"pk": {"S": f"BREAKGLASS#{ID}"}}, TOMBSTONE)],
        [
            {
                "Put": {
                    **{
                        k: v for k, v in PUT_IF_AS_READ.items() if k != "ExpressionAttributeValues"
                    },
                    "Item": TOMBSTONE,
                    "ConditionExpression": " AND ".join(
                        f"attribute_not_exists(#{name})" for name in BreakGlassEvent.model_fields
                    ),
                }
            }
        ],
        id="replace a row without any attribute",
    ),
    pytest.param(
        [requests.release_guard(TABLE, "alice", "prod", ID)],
        [
            {
                "Delete": {
                    **DELETE_GUARD,
                    "ConditionExpression": "attribute_not_exists(#pk) OR #event_id = :event_id",
                    "ExpressionAttributeNames": {"#pk": "pk", "#event_id": "event_id"},
                }
            }
        ],
        id="release a guard",
    ),
    pytest.param(
        requests.reap_guard(TABLE, "alice", "prod", ID),
        [
            {
                "ConditionCheck": {
                    "TableName": "breakglass",
                    "Key": {"pk": {"S": f"BREAKGLASS#{ID}"}},
                    "ConditionExpression": (
                        "NOT (#status = :active AND #invoker = :invoker AND #profile = :profile)"
                    ),
                    "ExpressionAttributeNames": {
                        "#status": "status",
                        "#invoker": "invoker",
                        "#profile": "profile",
                    },
                    "ExpressionAttributeValues": {
                        ":active": {"S": "active"},
                        ":invoker": {"S": "alice"},
                        ":profile": {"S": "prod"},
                    },
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                }
            },
            {
                "Delete": {
                    **DELETE_GUARD,
                    "ConditionExpression": "#event_id = :event_id",
                    "ExpressionAttributeNames": {"#event_id": "event_id"},
                }
            },
        ],
        id="reap a guard",
    ),
]


class TestToTheLetter:
    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_writes(self, parts: list[Part], expected: list[Part]) -> None:
        """Every part of a write says on what it depends, and wants to see what it met instead."""
        assert parts == expected

    def test_a_transaction(self) -> None:
        """Parts go together as one, under a token that makes a repetition the same write."""
        parts = requests.create(TABLE, EVENT, ROW)
        assert requests.transaction(parts, "t-1") == {
            "TransactItems": parts,
            "ClientRequestToken": "t-1",
        }

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_refusals(self, parts: list[Part], expected: list[Part]) -> None:
        """A refused part of whatever kind brings back the row that refused it."""
        for part in parts:
            (of_a_kind,) = part.values()
            assert of_a_kind["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_placeholders(self, parts: list[Part], expected: list[Part]) -> None:
        """A condition has every placeholder that is defined, for DynamoDB refuses leftovers."""
        for part in parts:
            (of_a_kind,) = part.values()
            defined = {
                *of_a_kind["ExpressionAttributeNames"],
                *of_a_kind.get("ExpressionAttributeValues", {}),
            }
            words = of_a_kind["ConditionExpression"].replace("(", " ").replace(")", " ").split()
            assert {word for word in words if word[0] in "#:"} == defined

    def test_another_layout(self) -> None:
        """Keys, indexes and prefixes are the layout's."""
        layout = TableLayout(
            partition_key="key", event_prefix="E/", guard_prefix="G/", status_index="by-status"
        )
        table = Table("breakglass", layout)
        check, delete = requests.reap_guard(table, "alice", "prod", ID)
        assert check["ConditionCheck"]["Key"] == {"key": {"S": f"E/{ID}"}}
        assert delete["Delete"]["Key"] == {"key": {"S": "G/5#alice#prod"}}
        release = requests.release_guard(table, "alice", "prod", ID)
        assert release["Delete"]["ExpressionAttributeNames"]["#pk"] == "key"
        assert requests.get_row(table, "k")["Key"] == {"key": {"S": "k"}}
        by_status = check_listing("status", "active")
        assert requests.count(table, by_status)["IndexName"] == "by-status"
