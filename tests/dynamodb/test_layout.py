"""Names in the table: which are allowed, and that a layout of one's own works throughout."""

from __future__ import annotations

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

INDEXES = ["invoker_index", "status_index", "profile_index"]
ATTRIBUTES = ["partition_key", "ttl_attribute", "write_id_attribute"]
PREFIXES = ["event_prefix", "guard_prefix"]
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
    def test_names(self, field: str, value: str) -> None:
        """Any name that DynamoDB allows can be chosen."""
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
    def test_names_that_break_a_rule(self, field: str, value: str, rule: str) -> None:
        """A name that cannot be is refused at once, with the rule."""
        with pytest.raises(ValueError, match=f"^{field} {rule}$"):
            TableLayout(**{field: value})

    @pytest.mark.parametrize("field", [*INDEXES, *ATTRIBUTES, *PREFIXES])
    @pytest.mark.parametrize("value", [None, 7, b"abc"])
    def test_names_that_are_no_text(self, field: str, value: Any) -> None:
        """A name is text."""
        with pytest.raises(
            TypeError, match=f"^{field} must be a str, not {type(value).__name__}$"
        ):
            TableLayout(**{field: value})

    @pytest.mark.parametrize("field", ATTRIBUTES)
    @pytest.mark.parametrize("taken", [*BreakGlassEvent.model_fields, "event_id", "deleted_at"])
    def test_attributes_that_a_row_has_already(self, field: str, taken: str) -> None:
        """No attribute of ours hides a field of an event, a guard or a tombstone."""
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
            ({"status_index": "invoker-index"}, "and profile_index must differ"),
            ({"profile_index": "status-index"}, "and profile_index must differ"),
        ],
    )
    def test_two_of_one_name(self, names: dict[str, str], rule: str) -> None:
        """Two things of one kind have two names."""
        with pytest.raises(ValueError, match=rule):
            TableLayout(**names)

    @pytest.mark.parametrize(
        ("event_prefix", "guard_prefix"), [("E#", "E#"), ("E#", "E"), ("E", "E#G"), ("E", "E5#")]
    )
    def test_prefixes_that_begin_alike(self, event_prefix: str, guard_prefix: str) -> None:
        """The key of an event can never be the key of a guard."""
        with pytest.raises(ValueError, match=r"may begin with the other$"):
            TableLayout(event_prefix=event_prefix, guard_prefix=guard_prefix)

    @pytest.mark.parametrize("field", ["invoker", "status", "profile"])
    def test_indexes(self, field: str) -> None:
        """Each field that can be listed by has its index."""
        layout = TableLayout(
            invoker_index="by-invoker", status_index="by-status", profile_index="by-profile"
        )
        assert layout.index_of(field) == f"by-{field}"
        assert layout.indexes[f"by-{field}"] == field
        assert len(layout.indexes) == 3

    def test_positions(self) -> None:
        """Names are given by name, for there are too many to tell by position."""
        layout: Any = TableLayout
        with pytest.raises(TypeError):
            layout("pk")

    def test_check_layout(self) -> None:
        """A layout is a `TableLayout`, not a dict that looks like one."""
        layout = TableLayout()
        not_a_layout: Any = {"partition_key": "pk"}
        assert check_layout(layout) is layout
        with pytest.raises(TypeError, match=r"^layout must be a TableLayout, not dict$"):
            check_layout(not_a_layout)


class TestCheckTableName:
    @pytest.mark.parametrize("name", ["abc", "break_glass.Prod-1", "a" * 255])
    def test_names(self, name: str) -> None:
        """A name that DynamoDB allows passes."""
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
    def test_names_that_break_the_rule(self, name: str) -> None:
        """A name that DynamoDB would refuse is refused at once, with the rule."""
        with pytest.raises(
            ValueError, match=r"^table_name must be 3 to 255 of a-z A-Z 0-9 _ \. -$"
        ):
            check_table_name(name)
        with pytest.raises(ValueError, match=r" _ \. -, or the ARN of a table$"):
            check_table_name(name, or_arn=True)

    @pytest.mark.parametrize("name", [None, 7, b"breakglass"])
    def test_names_that_are_no_text(self, name: Any) -> None:
        """A name is text."""
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
    def test_arns(self, arn: str) -> None:
        """A table of another account goes by its ARN, but cannot be made there."""
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
    def test_arns_of_something_else(self, arn: str) -> None:
        """Only the ARN of a table stands for its name."""
        with pytest.raises(ValueError, match=r"or the ARN of a table$"):
            check_table_name(arn, or_arn=True)


async def test_a_layout_of_ones_own(client: DynamoDBClient, clock: FakeClock) -> None:
    """Every name can be another: opening, checking, listing, closing and deleting go by it."""
    layout = TableLayout(
        partition_key="the.key",
        event_prefix="event/",
        guard_prefix="holder/",
        invoker_index="by_invoker",
        status_index="by_status",
        profile_index="by_profile",
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
    assert {row["the.key"]["S"] for row in rows} == {f"event/{event.id}", "holder/5#alice#prod"}

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
    assert {row["the.key"]["S"] for row in rows} == {f"event/{event.id}", f"event/{other.id}"}
