"""Names in the table: which names are valid, and that another layout works everywhere."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    TableLayout,
    create_table,
)
from aiobreakglass._dynamodb.layout import check_layout, check_table_name
from aiobreakglass.testing import FakeClock, make_event

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

INDEXES = ["invoker_index", "status_index", "profile_index", "review_index"]
ATTRIBUTES = ["partition_key", "ttl_attribute", "write_id_attribute"]
PREFIXES = ["event_prefix", "guard_prefix", "history_prefix", "slot_prefix"]
OTHER_ATTRIBUTES = [
    "awaiting_review",
    "used_at",
    "event_id",
    "deleted_at",
    "revision",
    "head",
    "digest",
    "recorded_at",
    "history_ttl",
    "entry",
    "hash",
]
INDEX_RULE = r"must be 3 to 255 of a-z A-Z 0-9 _ \. -"
VISIBLE_RULE = "must be 1 to 255 visible ASCII characters"
ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/breakglass"


class TestTableLayout:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *((field, value) for field in INDEXES for value in ("abc", "a" * 255, "A_z.0-9")),
            *((field, value) for field in ATTRIBUTES for value in ("a", "a" * 255, "e#%.")),
            *((field, value) for field in PREFIXES for value in ("a", "a" * 255, "e#%.")),
        ],
    )
    def test_layout_accepts_valid_names(self, field: str, value: str) -> None:
        """A layout can have any name that DynamoDB allows."""
        assert getattr(TableLayout(**{field: value}), field) == value

    @pytest.mark.parametrize(
        ("field", "value", "rule"),
        [
            *(
                (field, value, INDEX_RULE)
                for field in INDEXES
                for value in ("", "ab", "a" * 256, "a b c", "by/status", "índex", "abc\n")
            ),
            *(
                (field, value, VISIBLE_RULE)
                for field in (*ATTRIBUTES, *PREFIXES)
                for value in ("", "a" * 256, "a b", " ", "a\n", "\ta", "a\u2003b")
            ),
        ],
    )
    def test_layout_refuses_invalid_names(self, field: str, value: str, rule: str) -> None:
        """The error of an invalid name has its rule."""
        with pytest.raises(ValueError, match=f"^{field} {rule}$"):
            TableLayout(**{field: value})

    @pytest.mark.parametrize("field", [*INDEXES, *ATTRIBUTES, *PREFIXES])
    @pytest.mark.parametrize("value", [None, 7, b"abc"])
    def test_layout_refuses_names_that_are_not_text(self, field: str, value: Any) -> None:
        """Each name of a layout must be a `str`."""
        with pytest.raises(
            TypeError, match=f"^{field} must be a str, not {type(value).__name__}$"
        ):
            TableLayout(**{field: value})

    @pytest.mark.parametrize("field", ATTRIBUTES)
    @pytest.mark.parametrize("taken", [*BreakGlassEvent.model_fields, *OTHER_ATTRIBUTES])
    def test_layout_refuses_attributes_of_a_row(self, field: str, taken: str) -> None:
        """A layout's attribute must not hide a field of an event, a guard or a tombstone."""
        with pytest.raises(ValueError, match="must differ, also from the attributes of a row"):
            TableLayout(**{field: taken})

    @pytest.mark.parametrize(
        ("names", "rule"),
        [
            (
                {"ttl_attribute": "pk"},
                "partition_key, ttl_attribute, write_id_attribute must differ",
            ),
            ({"write_id_attribute": "ttl"}, "ttl_attribute, write_id_attribute must differ"),
            ({"partition_key": "write_id"}, "write_id_attribute must differ"),
            ({"status_index": "invoker-index"}, "review_index must differ"),
            ({"profile_index": "status-index"}, "review_index must differ"),
        ],
    )
    def test_layout_refuses_equal_names(self, names: dict[str, str], rule: str) -> None:
        """Two attributes or two indexes must have different names."""
        with pytest.raises(ValueError, match=rule):
            TableLayout(**names)

    @pytest.mark.parametrize(
        ("one", "other"), [("E#", "E#"), ("E#", "E"), ("E", "E#G"), ("E", "E5#")]
    )
    @pytest.mark.parametrize("fields", [*permutations(PREFIXES, 2)], ids=" ".join)
    def test_layout_refuses_prefixes_of_each_other(
        self, fields: tuple[str, str], one: str, other: str
    ) -> None:
        """The key of one kind of row must never be the key of another kind."""
        longer, shorter = fields if len(one) >= len(other) else reversed(fields)
        with pytest.raises(ValueError, match=f"^({longer}|{shorter}) must not begin with "):
            TableLayout(**dict(zip(fields, (one, other), strict=True)))

    @pytest.mark.parametrize("field", ["invoker", "status", "profile"])
    def test_layout_has_an_index_for_each_listed_field(self, field: str) -> None:
        """Each field that a list can ask for has its index."""
        layout = TableLayout(
            invoker_index="by-invoker",
            status_index="by-status",
            profile_index="by-profile",
            review_index="by-awaiting_review",
        )
        assert layout.index_of(field) == f"by-{field}"
        assert layout.indexes[f"by-{field}"] == field
        assert len(layout.indexes) == 4

    def test_layout_takes_no_positional_arguments(self) -> None:
        """A layout has too many names to give them by position."""
        layout: Any = TableLayout
        with pytest.raises(TypeError):
            layout("pk")

    def test_check_layout_refuses_a_dict(self) -> None:
        """A layout must be a `TableLayout`, not a dict with the same names."""
        layout = TableLayout()
        not_a_layout: Any = {"partition_key": "pk"}
        assert check_layout(layout) is layout
        with pytest.raises(TypeError, match=r"^layout must be a TableLayout, not dict$"):
            check_layout(not_a_layout)


class TestCheckTableName:
    @pytest.mark.parametrize("name", ["abc", "break_glass.Prod-1", "a" * 255])
    def test_valid_table_name_is_accepted(self, name: str) -> None:
        """The store accepts any name that DynamoDB allows."""
        assert check_table_name(name) == name
        assert check_table_name(name, or_arn=True) == name

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "ab",
            "a" * 256,
            "break glass",
            "break/glass",
            "breakglass\n",
            "\uff42reakglass",
            "a\x00b",
        ],
    )
    def test_invalid_table_name_is_refused(self, name: str) -> None:
        """The error of an invalid name has the rule."""
        with pytest.raises(
            ValueError, match=r"^table_name must be 3 to 255 of a-z A-Z 0-9 _ \. -$"
        ):
            check_table_name(name)
        with pytest.raises(ValueError, match=r" _ \. -, or the ARN of a table$"):
            check_table_name(name, or_arn=True)

    @pytest.mark.parametrize("name", [None, 7, b"breakglass"])
    def test_table_name_that_is_not_text_is_refused(self, name: Any) -> None:
        """The name of a table must be a `str`."""
        expected = f"^table_name must be a str, not {type(name).__name__}$"
        with pytest.raises(TypeError, match=expected):
            check_table_name(name)

    @pytest.mark.parametrize(
        "arn",
        [
            ARN,
            ARN.replace("arn:aws:", "arn:aws-cn:"),
            ARN.replace("arn:aws:", "arn:aws-us-gov:").replace("eu-central-1", "us-gov-west-1"),
        ],
    )
    def test_table_arn_is_accepted_only_for_use(self, arn: str) -> None:
        """A caller may use a table by its ARN, but not create it."""
        assert check_table_name(arn, or_arn=True) == arn
        with pytest.raises(ValueError, match=r"^table_name must be 3 to 255"):
            check_table_name(arn)

    @pytest.mark.parametrize(
        "arn",
        [
            ARN.replace("table/breakglass", "table/"),
            ARN.replace("123456789012", "12345678901"),
            ARN.replace("123456789012", "\uff1123456789012"),
            ARN.replace(":dynamodb:", ":s3:"),
            f"{ARN}/index/status-index",
            f"{ARN}\n",
            f" {ARN}",
        ],
    )
    def test_arn_of_something_else_is_refused(self, arn: str) -> None:
        """Only the ARN of a table can replace its name."""
        with pytest.raises(ValueError, match=r"or the ARN of a table$"):
            check_table_name(arn, or_arn=True)


async def test_store_with_another_layout(client: DynamoDBClient, clock: FakeClock) -> None:
    """Every operation uses the names of the layout."""
    layout = TableLayout(
        partition_key="the.key",
        event_prefix="event/",
        guard_prefix="holder/",
        history_prefix="entry/",
        slot_prefix="use/",
        invoker_index="by_invoker",
        status_index="by_status",
        profile_index="by_profile",
        review_index="by_review",
        ttl_attribute="gone.at",
        write_id_attribute="size",
    )
    name = f"breakglass-{uuid4().hex}"
    await create_table(client, name, layout=layout)
    store = AsyncDynamoDBStore(client, name, layout=layout, clock=clock)

    event = await store.create(make_event(created_at=clock()))
    with pytest.raises(ActiveEventExistsError):
        await store.create(make_event(created_at=clock()))
    assert await store.find_active_by_invoker_and_profile("alice", "prod") == event
    rows = (await client.scan(TableName=name))["Items"]
    assert {row["the.key"]["S"] for row in rows} == {
        f"event/{event.id}",
        "holder/5#alice#prod",
        f"entry/{event.id}#000001",
    }

    closed = await store.close(event.id, closed_by="bob", closed_reason="over")
    other = await store.create(make_event(created_at=clock()))
    first = await store.list_by_invoker("alice", 1)
    second = await store.list_by_invoker("alice", 1, cursor=first.next_cursor)
    assert {first[0], second[0]} == {closed, other}
    assert list(await store.list_by_status("closed")) == [closed]
    assert len(await store.list_by_profile("prod")) == 2
    assert await store.count_by_profile_since("prod", clock()) == 2

    await store.delete(other.id)
    assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
    rows = (await client.scan(TableName=name))["Items"]
    assert all(row["gone.at"]["N"] for row in rows)
    assert {row["the.key"]["S"] for row in rows} == {
        f"event/{event.id}",
        f"entry/{event.id}#000001",
        f"entry/{event.id}#000002",
        f"event/{other.id}",
        f"entry/{other.id}#000001",
        f"entry/{other.id}#000002",
    }
    assert [entry.action for entry in await store.history(other.id)] == ["created", "deleted"]
