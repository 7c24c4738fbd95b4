"""The exact requests of each change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Part
from aiobreakglass._domain.rules import (
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.contributor import Attempt
from aiobreakglass._dynamodb.parts.event import EventPart
from aiobreakglass._dynamodb.parts.guard import GuardPart, stale_guard_parts
from aiobreakglass._dynamodb.row import Row
from tests.dynamodb.example import (
    ABSENT,
    CLOSED,
    CLOSED_ROW,
    CREATED_AT,
    EVENT,
    GUARD,
    ID,
    LAYOUT,
    ROW,
    TABLE,
    TOMBSTONE,
    UNTIL,
    parts_of,
    row,
)

HOUR = timedelta(hours=1)
NOW = CREATED_AT + HOUR / 2
EVENT_KEY = {"pk": {"S": f"BREAKGLASS#{ID}"}}
GUARD_KEY = {"pk": {"S": "ACTIVE#5#alice#prod"}}
OLD = "ALL_OLD"

PUT_IF_NEW: dict[str, Any] = {
    "TableName": "breakglass",
    "ConditionExpression": "attribute_not_exists(#pk)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ReturnValuesOnConditionCheckFailure": OLD,
}
AS_READ: dict[str, Any] = {
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
    "ReturnValuesOnConditionCheckFailure": OLD,
}
RELEASE_GUARD = {
    "Delete": {
        "TableName": "breakglass",
        "Key": GUARD_KEY,
        "ConditionExpression": "attribute_not_exists(#pk) OR #event_id = :event_id",
        "ExpressionAttributeNames": {"#pk": "pk", "#event_id": "event_id"},
        "ExpressionAttributeValues": {":event_id": {"S": ID}},
        "ReturnValuesOnConditionCheckFailure": OLD,
    }
}


def update(expression: str, **values: dict[str, Any]) -> dict[str, Any]:
    """Return an update that requires the row as it was read."""
    return {
        "Update": {
            **AS_READ,
            "Key": EVENT_KEY,
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {
                **AS_READ["ExpressionAttributeNames"],
                "#write_id": "write_id",
                **({"#ttl": "ttl"} if "#ttl" in expression else {}),
            },
            "ExpressionAttributeValues": {
                **AS_READ["ExpressionAttributeValues"],
                **{f":new_{name}": value for name, value in values.items()},
                ":new_write_id": {"S": "w2"},
            },
        }
    }


def with_mfa(event: BreakGlassEvent) -> BreakGlassEvent:
    return event.model_copy(update={"mfa_verified": True, "mfa_method": "totp"})


HALF_PAST = {"S": "2024-03-01T12:30:00.000000Z"}
WRITES = [
    pytest.param(
        parts_of(decide_create(EVENT, NOW), None),
        [
            {"Put": {**PUT_IF_NEW, "Item": row(EVENT, write_id={"S": "w2"})}},
            {"Put": {**PUT_IF_NEW, "Item": GUARD}},
        ],
        id="create an active event",
    ),
    pytest.param(
        parts_of(decide_create(CLOSED, NOW), None),
        [{"Put": {**PUT_IF_NEW, "Item": row(CLOSED, write_id={"S": "w2"})}}],
        id="create a closed event",
    ),
    pytest.param(
        parts_of(decide_close(EVENT, "bob", "Over", NOW), ROW),
        [
            update(
                "SET #status = :new_status, #updated_at = :new_updated_at, "
                "#closed_by = :new_closed_by, #closed_reason = :new_closed_reason, "
                "#write_id = :new_write_id",
                status={"S": "closed"},
                updated_at=HALF_PAST,
                closed_by={"S": "bob"},
                closed_reason={"S": "Over"},
            ),
            RELEASE_GUARD,
        ],
        id="close",
    ),
    pytest.param(
        parts_of(decide_expiry(EVENT, CREATED_AT + HOUR), ROW),
        [
            update(
                "SET #status = :new_status, #updated_at = :new_updated_at, "
                "#write_id = :new_write_id",
                status={"S": "expired"},
                updated_at={"S": "2024-03-01T13:00:00.000000Z"},
            ),
            RELEASE_GUARD,
        ],
        id="expire",
    ),
    pytest.param(
        parts_of(decide_update(EVENT, with_mfa(EVENT), NOW), ROW),
        [
            update(
                "SET #updated_at = :new_updated_at, #mfa_method = :new_mfa_method, "
                "#mfa_verified = :new_mfa_verified, #write_id = :new_write_id",
                updated_at=HALF_PAST,
                mfa_method={"S": "totp"},
                mfa_verified={"BOOL": True},
            )
        ],
        id="update",
    ),
    pytest.param(
        parts_of(
            decide_update(
                EVENT, EVENT.model_copy(update={"expires_at": CREATED_AT + 2 * HOUR}), NOW
            ),
            ROW,
        ),
        [
            update(
                "SET #updated_at = :new_updated_at, #expires_at = :new_expires_at, "
                "#write_id = :new_write_id REMOVE #ttl",
                updated_at=HALF_PAST,
                expires_at={"S": "2024-03-01T14:00:00.000000Z"},
            )
        ],
        id="extend, in a store that keeps rows for ever",
    ),
    pytest.param(
        parts_of(decide_delete(EVENT, UNTIL), ROW),
        [{"Put": {**AS_READ, "Item": TOMBSTONE}}, RELEASE_GUARD],
        id="delete an active event",
    ),
    pytest.param(
        parts_of(decide_delete(None, UNTIL), row(EVENT, status={"N": "1"})),
        [
            {
                "Put": {
                    **AS_READ,
                    "Item": TOMBSTONE,
                    "ExpressionAttributeValues": {
                        **AS_READ["ExpressionAttributeValues"],
                        ":status": {"N": "1"},
                    },
                }
            }
        ],
        id="delete a row that is no event",
    ),
    pytest.param(
        parts_of(
            decide_delete(None, UNTIL), row(EVENT, expires_at=ABSENT, updated_at={"S": "junk"})
        ),
        [
            {
                "Put": {
                    **AS_READ,
                    "Item": TOMBSTONE,
                    "ConditionExpression": AS_READ["ConditionExpression"].replace(
                        "#expires_at = :expires_at", "attribute_not_exists(#expires_at)"
                    ),
                    "ExpressionAttributeValues": {
                        name: {"S": "junk"} if name == ":updated_at" else value
                        for name, value in AS_READ["ExpressionAttributeValues"].items()
                        if name != ":expires_at"
                    },
                }
            },
            RELEASE_GUARD,
        ],
        id="delete a row that is no event and says that it is active",
    ),
    pytest.param(
        parts_of(decide_delete(None, UNTIL), EVENT_KEY),
        [
            {
                "Put": {
                    **{k: v for k, v in AS_READ.items() if k != "ExpressionAttributeValues"},
                    "Item": TOMBSTONE,
                    "ConditionExpression": " AND ".join(
                        f"attribute_not_exists(#{name})" for name in BreakGlassEvent.model_fields
                    ),
                }
            }
        ],
        id="delete a row without any attribute",
    ),
    pytest.param(
        stale_guard_parts(TABLE, "alice", "prod", ID),
        [
            {
                "ConditionCheck": {
                    "TableName": "breakglass",
                    "Key": EVENT_KEY,
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
                    "ReturnValuesOnConditionCheckFailure": OLD,
                }
            },
            {
                "Delete": {
                    "TableName": "breakglass",
                    "Key": GUARD_KEY,
                    "ConditionExpression": "#event_id = :event_id",
                    "ExpressionAttributeNames": {"#event_id": "event_id"},
                    "ExpressionAttributeValues": {":event_id": {"S": ID}},
                    "ReturnValuesOnConditionCheckFailure": OLD,
                }
            },
        ],
        id="clear a stale guard",
    ),
]


class TestToTheLetter:
    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_write_requests(self, parts: list[Part], expected: list[dict[str, Any]]) -> None:
        """Each part has its condition, and asks for the existing row if it is refused."""
        assert [part.action for part in parts] == expected

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_each_part_has_its_key_and_its_own_role(
        self, parts: list[Part], expected: list[dict[str, Any]]
    ) -> None:
        """A part has the key of its action, and no two parts have the same role."""
        for part in parts:
            (parameters,) = part.action.values()
            assert part.key == parameters.get("Key", {"pk": parameters.get("Item", {}).get("pk")})
        assert len({part.role for part in parts}) == len(parts)

    @pytest.mark.parametrize(("parts", "expected"), WRITES)
    def test_each_placeholder_is_used(
        self, parts: list[Part], expected: list[dict[str, Any]]
    ) -> None:
        """Each defined placeholder is used, because DynamoDB refuses unused ones."""
        for part in parts:
            (parameters,) = part.action.values()
            defined = {
                *parameters["ExpressionAttributeNames"],
                *parameters.get("ExpressionAttributeValues", {}),
            }
            text = f"{parameters['ConditionExpression']} {parameters.get('UpdateExpression', '')}"
            for mark in "(),":
                text = text.replace(mark, " ")
            assert {word for word in text.split() if word[0] in "#:"} == defined

    def test_only_a_new_expiry_sets_the_ttl(self) -> None:
        """A change of the expiry sets the TTL; other changes leave it as it is."""
        contributor = EventPart(TABLE, timedelta(days=1))
        extended = EVENT.model_copy(update={"expires_at": CREATED_AT + 2 * HOUR})
        for proposed, expected in [(extended, {"N": "1709388000"}), (with_mfa(EVENT), None)]:
            attempt = Attempt(decide_update(EVENT, proposed, NOW), Row(ROW, LAYOUT), "w2")
            (part,) = contributor.parts(attempt)
            values = part.action["Update"]["ExpressionAttributeValues"]
            assert values.get(":new_ttl") == expected

    def test_parts_in_another_layout(self) -> None:
        """The parts take their keys and prefixes from the layout."""
        layout = TableLayout(
            partition_key="key", event_prefix="E/", guard_prefix="G/", write_id_attribute="w"
        )
        table = Table("breakglass", layout)
        event, guard = parts_of(decide_create(EVENT, NOW), None, table)
        assert event.action["Put"]["Item"]["key"] == {"S": f"E/{ID}"}
        assert event.action["Put"]["Item"]["w"] == {"S": "w2"}
        assert event.action["Put"]["ExpressionAttributeNames"] == {"#pk": "key"}
        assert guard.key == {"key": {"S": "G/5#alice#prod"}}
        check, delete = stale_guard_parts(table, "alice", "prod", ID)
        assert check.action["ConditionCheck"]["Key"] == {"key": {"S": f"E/{ID}"}}
        assert delete.action["Delete"]["Key"] == {"key": {"S": "G/5#alice#prod"}}


class TestWhoContributes:
    def test_update_leaves_the_guard_alone(self) -> None:
        """The guard changes only when an event begins or ends."""
        change = decide_update(EVENT, EVENT, NOW)
        assert GuardPart(TABLE).parts(Attempt(change, Row(ROW, LAYOUT), "w2")) == []

    @pytest.mark.parametrize("stored", [CLOSED_ROW, {**EVENT_KEY, "invoker": {"S": "alice"}}])
    def test_delete_of_inactive_row_has_no_guard_part(self, stored: Any) -> None:
        """The status in the row says whether there is a guard to delete."""
        change = decide_delete(None, NOW)
        assert GuardPart(TABLE).parts(Attempt(change, Row(stored, LAYOUT), "w2")) == []
