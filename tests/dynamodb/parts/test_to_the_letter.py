"""The exact requests of each change."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from aiobreakglass import Action, BreakGlassEvent, TableLayout
from aiobreakglass._aws.transaction import Item, Part
from aiobreakglass._domain.change import Change
from aiobreakglass._domain.rules import (
    decide_close,
    decide_create,
    decide_delete,
    decide_expiry,
    decide_update,
)
from aiobreakglass._dynamodb.layout import Table
from aiobreakglass._dynamodb.parts.guard import GuardPart, stale_guard_parts
from aiobreakglass._dynamodb.retention import Retention
from tests.dynamodb.example import (
    ABSENT,
    CLOSED,
    CLOSED_ROW,
    CREATED_AT,
    EVENT,
    GUARD,
    ID,
    ROW,
    TABLE,
    UNRECORDED,
    UNTIL,
    attempt_of,
    parts_of,
    row,
)

HOUR = timedelta(hours=1)
NOW = CREATED_AT + HOUR / 2
A_YEAR = Retention(timedelta(days=365))
EVENT_KEY = {"pk": {"S": f"BREAKGLASS#{ID}"}}
GUARD_KEY = {"pk": {"S": "ACTIVE#5#alice#prod"}}
OLD = "ALL_OLD"
NOON, HALF_PAST, ONE, TWO, NEXT_NOON = (
    "2024-03-01T12:00:00.000000Z",
    "2024-03-01T12:30:00.000000Z",
    "2024-03-01T13:00:00.000000Z",
    "2024-03-01T14:00:00.000000Z",
    "2024-03-02T12:00:00.000000Z",
)

PUT_IF_NEW: dict[str, Any] = {
    "TableName": "breakglass",
    "ConditionExpression": "attribute_not_exists(#pk)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ReturnValuesOnConditionCheckFailure": OLD,
}

EVENT_JSON = (
    '{"created_at":"2024-03-01T12:00:00.000000Z","duration":3600000000000,'
    '"expires_at":"2024-03-01T13:00:00.000000Z","id":"0123456789abcdef","invoker":"alice",'
    '"justification":"The primary database does not answer","mfa_verified":false,'
    '"profile":"prod","reason_code":"incident","status":"active",'
    '"updated_at":"2024-03-01T12:00:00.000000Z"}'
)
CLOSING = {"status": "closed", "closed_by": "bob", "closed_reason": "Over"}


def event_json(**changes: Any) -> str:
    """Return the JSON of the event with some values changed."""
    values = {**json.loads(EVENT_JSON), **changes}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def entry_text(
    revision: int,
    at: str,
    action: str,
    event: str = "null",
    previous: str | None = None,
    by: str | None = None,
    note: str | None = None,
) -> str:
    """Return the text of an entry, as an auditor could write it down."""
    by, note, before = map(json.dumps, (by, note, previous and hash_of(previous)))
    return (
        f'{{"action":"{action}","at":"{at}","by":{by},"event":{event},"event_id":"{ID}",'
        f'"note":{note},"previous":{before},"revision":{revision}}}'
    )


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


CREATED = entry_text(1, NOON, "created", EVENT_JSON, by="alice")
CREATED_RECORD: Item = {
    "revision": {"N": "1"},
    "head": {"S": hash_of(CREATED)},
    "recorded_at": {"S": NOON},
    "digest": {"S": hash_of(EVENT_JSON)},
}


def put_entry(text: str, **attributes: Any) -> dict[str, Any]:
    """Return the part that puts the row of an entry."""
    revision = json.loads(text)["revision"]
    item = {
        "pk": {"S": f"HISTORY#{ID}#00000{revision}"},
        "event_id": {"S": ID},
        "revision": {"N": str(revision)},
        "entry": {"S": text},
        "hash": {"S": hash_of(text)},
        "write_id": {"S": "w2"},
        **attributes,
    }
    return {"Put": {**PUT_IF_NEW, "Item": item}}


def tombstone(text: str) -> Item:
    """Return the tombstone whose newest entry has this text."""
    return {
        **EVENT_KEY,
        "deleted_at": {"S": NEXT_NOON},
        "revision": {"N": str(json.loads(text)["revision"])},
        "head": {"S": hash_of(text)},
        "recorded_at": {"S": NEXT_NOON},
    }


PINNED = (*BreakGlassEvent.model_fields, "revision", "head", "digest")
AS_READ: dict[str, Any] = {
    "TableName": "breakglass",
    "ConditionExpression": (
        "#id = :id AND #invoker = :invoker AND #profile = :profile "
        "AND #reason_code = :reason_code AND #justification = :justification "
        "AND #duration = :duration AND #status = :status AND #created_at = :created_at "
        "AND #updated_at = :updated_at AND #expires_at = :expires_at "
        "AND attribute_not_exists(#closed_by) AND attribute_not_exists(#closed_reason) "
        "AND attribute_not_exists(#request_id) AND #mfa_verified = :mfa_verified "
        "AND attribute_not_exists(#mfa_method) AND attribute_not_exists(#mfa_challenge_id) "
        "AND attribute_not_exists(#ended_at) AND attribute_not_exists(#extensions) "
        "AND attribute_not_exists(#reviewed_by) AND attribute_not_exists(#reviewed_at) "
        "AND attribute_not_exists(#review_outcome) AND attribute_not_exists(#review_comment) "
        "AND attribute_not_exists(#held_by) AND attribute_not_exists(#held_at) "
        "AND attribute_not_exists(#held_reason) AND attribute_not_exists(#labels) "
        "AND #revision = :revision AND #head = :head AND #digest = :digest"
    ),
    "ExpressionAttributeNames": {f"#{name}": name for name in PINNED},
    "ExpressionAttributeValues": {
        ":id": {"S": ID},
        ":invoker": {"S": "alice"},
        ":profile": {"S": "prod"},
        ":reason_code": {"S": "incident"},
        ":justification": {"S": "The primary database does not answer"},
        ":duration": {"N": "3600000000000"},
        ":status": {"S": "active"},
        ":created_at": {"S": NOON},
        ":updated_at": {"S": NOON},
        ":expires_at": {"S": ONE},
        ":mfa_verified": {"BOOL": False},
        ":revision": {"N": "1"},
        ":head": {"S": hash_of(CREATED)},
        ":digest": {"S": hash_of(EVENT_JSON)},
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


def as_read(**attributes: Any) -> dict[str, Any]:
    """Return the condition that the row is as read, if it was read with these attributes."""
    condition, values = AS_READ["ConditionExpression"], AS_READ["ExpressionAttributeValues"]
    for name, value in attributes.items():
        is_set, is_absent = f"#{name} = :{name}", f"attribute_not_exists(#{name})"
        if value is ABSENT:
            condition = condition.replace(is_set, is_absent)
        else:
            condition = condition.replace(is_absent, is_set)
        values = {**values, f":{name}": value}
    values = {name: value for name, value in values.items() if value is not ABSENT}
    given = {"ExpressionAttributeValues": values} if values else {}
    rest = {k: v for k, v in AS_READ.items() if k != "ExpressionAttributeValues"}
    return {**rest, "ConditionExpression": condition, **given}


def update(
    expression: str,
    entry: str,
    condition: dict[str, Any] = AS_READ,
    **values: dict[str, Any],
) -> dict[str, Any]:
    """Return an update that requires the row as it was read, and names its newest entry."""
    record = json.loads(entry)
    values = {
        **values,
        "write_id": {"S": "w2"},
        "revision": {"N": str(record["revision"])},
        "head": {"S": hash_of(entry)},
        "digest": {"S": hash_of(event_json(**record["event"]))},
        "recorded_at": {"S": record["at"]},
    }
    values = {name: value for name, value in values.items() if f":new_{name}" in expression}
    extra = {f"#{name}": name for name in ("write_id", "recorded_at", "history_ttl", "ttl")}
    return {
        "Update": {
            **condition,
            "Key": EVENT_KEY,
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {
                **AS_READ["ExpressionAttributeNames"],
                **{mark: name for mark, name in extra.items() if mark in expression},
            },
            "ExpressionAttributeValues": {
                **condition["ExpressionAttributeValues"],
                **{f":new_{name}": value for name, value in values.items()},
            },
        }
    }


def with_mfa(event: BreakGlassEvent) -> BreakGlassEvent:
    return event.model_copy(update={"mfa_verified": True, "mfa_method": "totp"})


RECORDED = (
    "#write_id = :new_write_id, #revision = :new_revision, #head = :new_head, "
    "#digest = :new_digest, #recorded_at = :new_recorded_at"
)
IMPORTED_JSON = event_json(
    status="closed",
    closed_by=CLOSED.closed_by,
    closed_reason=CLOSED.closed_reason,
    ended_at=NOON,
)
IMPORTED = entry_text(1, NOON, "imported", IMPORTED_JSON, by="alice")
CLOSED_JSON = event_json(**CLOSING, updated_at=HALF_PAST, ended_at=HALF_PAST)
CLOSED_ENTRY = entry_text(2, HALF_PAST, "closed", CLOSED_JSON, CREATED, "bob", "Over")
EXPIRED_JSON = event_json(status="expired", updated_at=ONE, ended_at=ONE)
EXPIRED_ENTRY = entry_text(2, ONE, "expired", EXPIRED_JSON, CREATED)
UPDATED_JSON = event_json(updated_at=HALF_PAST, mfa_verified=True, mfa_method="totp")
UPDATED_ENTRY = entry_text(2, HALF_PAST, "updated", UPDATED_JSON, CREATED, "carol", "MFA")
EXTENDED_JSON = event_json(updated_at=HALF_PAST, expires_at=TWO, extensions=1)
EXTENDED_ENTRY = entry_text(2, HALF_PAST, "extended", EXTENDED_JSON, CREATED)
DELETED_ENTRY = entry_text(2, NEXT_NOON, "deleted", previous=CREATED, by="dave", note="Typo")
UNKNOWN_DELETED = entry_text(1, NEXT_NOON, "deleted")
ADOPTED_AT = "2024-03-01T12:29:59.999999Z"
ADOPTED_FIRST = entry_text(1, ADOPTED_AT, "adopted", EVENT_JSON)
CLOSED_SECOND = entry_text(2, HALF_PAST, "closed", CLOSED_JSON, ADOPTED_FIRST, "bob", "Over")
BY_HAND = event_json(request_id="by hand")
ADOPTED_NEXT = entry_text(2, ADOPTED_AT, "adopted", BY_HAND, CREATED)
CLOSED_BY_HAND = event_json(
    **CLOSING, updated_at=HALF_PAST, ended_at=HALF_PAST, request_id="by hand"
)
CLOSED_THIRD = entry_text(3, HALF_PAST, "closed", CLOSED_BY_HAND, ADOPTED_NEXT, "bob", "Over")
DELETED_ADOPTED_AT = "2024-03-02T11:59:59.999999Z"
DELETED_ADOPTED = entry_text(1, DELETED_ADOPTED_AT, "adopted", EVENT_JSON)
DELETED_SECOND = entry_text(2, NEXT_NOON, "deleted", previous=DELETED_ADOPTED)
ADOPTED_ALONE = entry_text(1, HALF_PAST, "adopted", EVENT_JSON)
ADOPTED_CLOSED = entry_text(1, HALF_PAST, "adopted", IMPORTED_JSON)
OLD_ROW = row(EVENT, **UNRECORDED)
OLD_CLOSED_ROW = row(CLOSED, ended_at=ABSENT, **UNRECORDED)
WITHOUT_RECORD = dict.fromkeys(("revision", "head", "digest"))

CLOSE = (
    "SET #status = :new_status, #updated_at = :new_updated_at, "
    "#closed_by = :new_closed_by, #closed_reason = :new_closed_reason, "
    "#ended_at = :new_ended_at, "
)
CLOSE_VALUES = {
    "status": {"S": "closed"},
    "updated_at": {"S": HALF_PAST},
    "closed_by": {"S": "bob"},
    "closed_reason": {"S": "Over"},
    "ended_at": {"S": HALF_PAST},
}
# `created_at`, 4 hours, a year and 8 days; a row is deleted 7 days before its history.
HISTORY_TTL = {"history_ttl": {"N": "1741536000"}}
TTL = {"ttl": {"N": "1740834000"}}

WRITES = [
    pytest.param(
        parts_of(decide_create(EVENT, CREATED_AT), None),
        [
            put_entry(CREATED),
            {"Put": {**PUT_IF_NEW, "Item": row(EVENT, write_id={"S": "w2"}, **CREATED_RECORD)}},
            {"Put": {**PUT_IF_NEW, "Item": GUARD}},
        ],
        id="create an active event",
    ),
    pytest.param(
        parts_of(decide_create(EVENT, CREATED_AT), None, kept=A_YEAR),
        [
            put_entry(CREATED, **HISTORY_TTL, ttl=HISTORY_TTL["history_ttl"]),
            {
                "Put": {
                    **PUT_IF_NEW,
                    "Item": row(
                        EVENT, write_id={"S": "w2"}, **CREATED_RECORD, **HISTORY_TTL, **TTL
                    ),
                }
            },
            {"Put": {**PUT_IF_NEW, "Item": GUARD}},
        ],
        id="create in a store that keeps rows for a year",
    ),
    pytest.param(
        parts_of(decide_create(CLOSED, CREATED_AT), None),
        [
            put_entry(IMPORTED),
            {
                "Put": {
                    **PUT_IF_NEW,
                    "Item": row(
                        CLOSED,
                        write_id={"S": "w2"},
                        head={"S": hash_of(IMPORTED)},
                        digest={"S": hash_of(IMPORTED_JSON)},
                    ),
                }
            },
        ],
        id="create a closed event",
    ),
    pytest.param(
        parts_of(decide_close(EVENT, "bob", "Over", NOW), ROW),
        [
            put_entry(CLOSED_ENTRY),
            update(CLOSE + RECORDED, CLOSED_ENTRY, **CLOSE_VALUES),
            RELEASE_GUARD,
        ],
        id="close",
    ),
    pytest.param(
        parts_of(decide_close(EVENT, "bob", "Over", NOW), OLD_ROW),
        [
            put_entry(CLOSED_SECOND),
            put_entry(ADOPTED_FIRST),
            update(CLOSE + RECORDED, CLOSED_SECOND, as_read(**WITHOUT_RECORD), **CLOSE_VALUES),
            RELEASE_GUARD,
        ],
        id="close an event from before histories",
    ),
    pytest.param(
        parts_of(
            decide_close(EVENT.model_copy(update={"request_id": "by hand"}), "bob", "Over", NOW),
            row(EVENT, request_id={"S": "by hand"}),
        ),
        [
            put_entry(CLOSED_THIRD),
            put_entry(ADOPTED_NEXT),
            update(
                CLOSE + RECORDED,
                CLOSED_THIRD,
                as_read(request_id={"S": "by hand"}),
                **CLOSE_VALUES,
            ),
            RELEASE_GUARD,
        ],
        id="close an event that was changed by hand",
    ),
    pytest.param(
        parts_of(decide_expiry(EVENT, CREATED_AT + HOUR), ROW),
        [
            put_entry(EXPIRED_ENTRY),
            update(
                "SET #status = :new_status, #updated_at = :new_updated_at, "
                f"#ended_at = :new_ended_at, {RECORDED}",
                EXPIRED_ENTRY,
                status={"S": "expired"},
                updated_at={"S": ONE},
                ended_at={"S": ONE},
            ),
            RELEASE_GUARD,
        ],
        id="expire",
    ),
    pytest.param(
        parts_of(decide_update(EVENT, with_mfa(EVENT), NOW, "carol", "MFA"), ROW),
        [
            put_entry(UPDATED_ENTRY),
            update(
                "SET #updated_at = :new_updated_at, #mfa_method = :new_mfa_method, "
                f"#mfa_verified = :new_mfa_verified, {RECORDED}",
                UPDATED_ENTRY,
                updated_at={"S": HALF_PAST},
                mfa_method={"S": "totp"},
                mfa_verified={"BOOL": True},
            ),
        ],
        id="update",
    ),
    pytest.param(
        parts_of(
            decide_update(
                EVENT, EVENT.model_copy(update={"expires_at": CREATED_AT + 2 * HOUR}), NOW
            ),
            row(EVENT, ttl={"N": "1709388000"}),
        ),
        [
            put_entry(EXTENDED_ENTRY),
            update(
                "SET #updated_at = :new_updated_at, #expires_at = :new_expires_at, "
                f"#extensions = :new_extensions, {RECORDED} REMOVE #ttl",
                EXTENDED_ENTRY,
                updated_at={"S": HALF_PAST},
                expires_at={"S": TWO},
                extensions={"N": "1"},
            ),
        ],
        id="extend, in a store that keeps rows for ever",
    ),
    pytest.param(
        parts_of(Change(Action.ADOPTED, EVENT, EVENT, NOW), OLD_ROW, kept=A_YEAR),
        [
            put_entry(ADOPTED_ALONE, **HISTORY_TTL, ttl=HISTORY_TTL["history_ttl"]),
            update(
                f"SET {RECORDED}, #history_ttl = :new_history_ttl, #ttl = :new_ttl",
                ADOPTED_ALONE,
                as_read(**WITHOUT_RECORD),
                **HISTORY_TTL,
                ttl={"N": "1740931200"},
            ),
        ],
        id="adopt an event from before histories",
    ),
    pytest.param(
        parts_of(Change(Action.ADOPTED, CLOSED, CLOSED, NOW), OLD_CLOSED_ROW),
        [
            put_entry(ADOPTED_CLOSED),
            update(
                f"SET #ended_at = :new_ended_at, {RECORDED}",
                ADOPTED_CLOSED,
                as_read(
                    **WITHOUT_RECORD,
                    status={"S": "closed"},
                    closed_by={"S": str(CLOSED.closed_by)},
                    closed_reason={"S": str(CLOSED.closed_reason)},
                ),
                ended_at={"S": NOON},
            ),
        ],
        id="adopt an event that was closed before `ended_at` existed",
    ),
    pytest.param(
        parts_of(decide_delete(EVENT, UNTIL, "dave", "Typo"), ROW),
        [
            put_entry(DELETED_ENTRY),
            {"Put": {**AS_READ, "Item": tombstone(DELETED_ENTRY)}},
            RELEASE_GUARD,
        ],
        id="delete an active event",
    ),
    pytest.param(
        parts_of(decide_delete(EVENT, UNTIL), OLD_ROW),
        [
            put_entry(DELETED_SECOND),
            put_entry(DELETED_ADOPTED),
            {"Put": {**as_read(**WITHOUT_RECORD), "Item": tombstone(DELETED_SECOND)}},
            RELEASE_GUARD,
        ],
        id="delete an event from before histories",
    ),
    pytest.param(
        parts_of(decide_delete(None, UNTIL, "dave", "Typo"), row(EVENT, status={"N": "1"})),
        [
            put_entry(DELETED_ENTRY),
            {"Put": {**as_read(status={"N": "1"}), "Item": tombstone(DELETED_ENTRY)}},
        ],
        id="delete a row that is no event",
    ),
    pytest.param(
        parts_of(
            decide_delete(None, UNTIL, "dave", "Typo"),
            row(EVENT, expires_at=ABSENT, updated_at={"S": "junk"}),
        ),
        [
            put_entry(DELETED_ENTRY),
            {
                "Put": {
                    **as_read(expires_at=ABSENT, updated_at={"S": "junk"}),
                    "Item": tombstone(DELETED_ENTRY),
                }
            },
            RELEASE_GUARD,
        ],
        id="delete a row that is no event and says that it is active",
    ),
    pytest.param(
        parts_of(decide_delete(None, UNTIL), EVENT_KEY),
        [
            put_entry(UNKNOWN_DELETED),
            {
                "Put": {
                    **as_read(**dict.fromkeys(PINNED)),
                    "Item": tombstone(UNKNOWN_DELETED),
                }
            },
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

    def test_parts_in_another_layout(self) -> None:
        """The parts take their keys and prefixes from the layout."""
        layout = TableLayout(
            partition_key="key",
            event_prefix="E/",
            guard_prefix="G/",
            history_prefix="H/",
            ttl_attribute="t",
            write_id_attribute="w",
        )
        table = Table("breakglass", layout)
        entry, event, guard = parts_of(decide_create(EVENT, NOW), None, table, A_YEAR)
        assert entry.key == {"key": {"S": f"H/{ID}#000001"}}
        assert entry.action["Put"]["Item"]["w"] == {"S": "w2"}
        assert entry.action["Put"]["Item"]["t"] == HISTORY_TTL["history_ttl"]
        assert event.action["Put"]["Item"]["t"] == TTL["ttl"]
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
        assert GuardPart(TABLE).parts(attempt_of(change, ROW)) == []

    @pytest.mark.parametrize("stored", [CLOSED_ROW, {**EVENT_KEY, "invoker": {"S": "alice"}}])
    def test_delete_of_inactive_row_has_no_guard_part(self, stored: Any) -> None:
        """The status in the row says whether there is a guard to delete."""
        change = decide_delete(None, NOW)
        assert GuardPart(TABLE).parts(attempt_of(change, stored)) == []
