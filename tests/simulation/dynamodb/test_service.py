"""What emulators do not do: indexes lag, TTL deletes late, resources are short."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aiobreakglass import TableLayout
from tests.simulation.dynamodb.database import (
    PROMPT,
    TABLE_NAME,
    USUAL,
    Commit,
    Database,
    Habits,
)
from tests.simulation.dynamodb.values import Item

DAY = 86_400


class World:
    """A database with its clock, and its commits."""

    def __init__(self, habits: Habits, seed: int = 1) -> None:
        self.now = 1_700_000_000.0
        self.commits: list[Commit] = []
        self.database = Database(
            TableLayout(),
            now=lambda: self.now,
            random=Random(seed),  # noqa: S311 - repeatable on purpose
            habits=habits,
            on_commit=self.commits.append,
        )

    def put(self, key: str, **attributes: str) -> None:
        item = {"pk": {"S": key}} | {name: {"S": text} for name, text in attributes.items()}
        self.database.put(item)

    def listed(self, status: str, **parameters: Any) -> dict[str, Any]:
        return self.database.execute(
            "Query",
            {
                "TableName": TABLE_NAME,
                "IndexName": "status-index",
                "KeyConditionExpression": "#status = :status",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":status": {"S": status}},
                **parameters,
            },
        )

    def keys(self, status: str) -> list[str]:
        return [item["pk"]["S"] for item in self.listed(status)["Items"]]

    def write(self, token: str, *entries: dict[str, Any]) -> None:
        request = {"TransactItems": list(entries), "ClientRequestToken": token}
        self.database.execute("TransactWriteItems", request)


def put_entry(key: str, content: str, **parameters: Any) -> dict[str, Any]:
    item = {"pk": {"S": key}, "content": {"S": content}}
    return {"Put": {"TableName": TABLE_NAME, "Item": item, **parameters}}


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


class TestIndex:
    def test_before_a_change_arrives(self) -> None:
        world = World(PROMPT._replace(lag=lambda _: 10.0))
        world.put("a", status="active", created_at="1")
        assert world.keys("active") == []
        world.now += 10
        assert world.keys("active") == ["a"]

    def test_of_a_status_that_changed(self) -> None:
        """It leaves one list and joins the other by itself: it may be in both, or in neither."""
        seen = set()
        for seed in range(40):
            world = World(Habits(lag=lambda random: random.random()), seed)
            world.put("a", status="active", created_at="1")
            world.database.spread_all()
            world.put("a", status="closed", created_at="1")
            world.now += 0.5
            seen.add((len(world.keys("active")), len(world.keys("closed"))))
        assert seen == {(1, 0), (0, 1), (1, 1), (0, 0)}

    def test_of_a_row_that_changed_twice(self) -> None:
        """A later change of an entry never arrives before an earlier one."""
        lags = iter((10.0, 1.0))
        world = World(PROMPT._replace(lag=lambda _: next(lags)))
        for note in ("old", "new"):
            world.put("a", status="active", created_at="1", note=note)
        world.now += 5
        assert world.keys("active") == []
        world.now += 5
        assert [item["note"]["S"] for item in world.listed("active")["Items"]] == ["new"]

    def test_at_the_next_instant(self) -> None:
        world = World(PROMPT._replace(lag=lambda _: 7.5))
        assert world.database.next_instant() is None
        world.put("a", status="active", created_at="1")
        assert world.database.next_instant() == world.now + 7.5
        world.now += 7.5
        world.database.background()
        assert world.database.next_instant() is None

    def test_of_a_megabyte(self) -> None:
        """A page ends after the row that exceeds 1 MB, whatever its limit."""
        world = World(PROMPT)
        for number in range(5):
            world.put(f"{number}", status="active", created_at=f"{number}", x="y" * 300_000)
        page = world.listed("active", Limit=5)
        assert [item["pk"]["S"] for item in page["Items"]] == ["0", "1", "2", "3"]
        rest = world.listed("active", ExclusiveStartKey=page["LastEvaluatedKey"], Select="COUNT")
        assert (rest["Count"], "Items" in rest, "LastEvaluatedKey" in rest) == (1, False, False)


class TestEventuallyConsistentRead:
    def test_of_a_row_that_changed_just_now(self) -> None:
        world = World(PROMPT._replace(lag=lambda _: 10.0))
        world.put("a", note="old")
        world.now += 20
        world.put("a", note="new")
        request = {"TableName": TABLE_NAME, "Key": {"pk": {"S": "a"}}}
        answers = [
            world.database.execute("GetItem", {**request, "ConsistentRead": consistent})["Item"]
            for consistent in (True, False)
        ]
        assert [answer["note"]["S"] for answer in answers] == ["new", "old"]


class TestTimeToLive:
    def item(self, ttl: float) -> Item:
        return {"pk": {"S": "a"}, "ttl": {"N": str(int(ttl))}}

    def test_from_the_second_that_is_due(self) -> None:
        world = World(PROMPT)
        world.database.put(self.item(world.now + 10))
        world.now += 9
        world.database.background()
        assert "a" in world.database.rows
        world.now += 1
        world.database.background()
        assert "a" not in world.database.rows
        assert world.commits[-1].cause == "ttl"

    def test_days_later(self) -> None:
        world = World(PROMPT._replace(deletion=lambda _: 2.0 * DAY))
        world.database.put(self.item(world.now))
        world.now += 2 * DAY - 1
        world.database.background()
        assert "a" in world.database.rows
        assert world.database.next_instant() == world.now + 1

    def test_of_a_row_that_was_given_more_time(self) -> None:
        world = World(PROMPT)
        world.database.put(self.item(world.now + 10))
        world.database.put(self.item(world.now + 20))
        world.now += 10
        world.database.background()
        assert "a" in world.database.rows

    def test_five_years_ago(self) -> None:
        world = World(PROMPT)
        world.database.put(self.item(world.now - 6 * 365 * DAY))
        world.database.background()
        assert "a" in world.database.rows


class TestToken:
    def test_once_more(self) -> None:
        """Within ten minutes the same request succeeds, and writes nothing."""
        world = World(PROMPT)
        world.write("token", put_entry("a", "first"))
        world.database.remove("a")
        world.write("token", put_entry("a", "first"))
        assert "a" not in world.database.rows
        world.now += 601
        world.write("token", put_entry("a", "first"))
        assert "a" in world.database.rows

    def test_for_something_else(self) -> None:
        world = World(PROMPT)
        world.write("token", put_entry("a", "first"))
        with pytest.raises(ClientError) as error:
            world.write("token", put_entry("a", "second"))
        assert code_of(error) == "IdempotentParameterMismatchException"

    def test_of_a_refusal(self) -> None:
        """A refused request is judged anew: it may succeed when it is delivered again."""
        world = World(PROMPT)
        world.put("a")
        entry = put_entry("a", "mine", ConditionExpression="attribute_not_exists(pk)")
        with pytest.raises(ClientError):
            world.write("token", entry)
        world.database.remove("a")
        world.write("token", entry)
        assert world.database.rows["a"]["content"] == {"S": "mine"}


class TestTransaction:
    def test_that_is_refused(self) -> None:
        """One reason for each action, with the row that is there, and nothing written."""
        world = World(PROMPT)
        world.put("a", note="there")
        refused = put_entry(
            "a",
            "mine",
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        with pytest.raises(ClientError) as error:
            world.write("token", put_entry("b", "mine"), refused)
        reasons: Any = dict(error.value.response)["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]
        assert reasons[1]["Item"] == {"pk": {"S": "a"}, "note": {"S": "there"}}
        assert world.database.rows.keys() == {"a"}

    def test_of_a_hundred_actions_and_of_one_more(self) -> None:
        world = World(PROMPT)
        world.write("token", *(put_entry(f"{number}", "x") for number in range(100)))
        with pytest.raises(ClientError) as error:
            world.write("other", *(put_entry(f"{number}", "x") for number in range(101)))
        assert code_of(error) == "ValidationException"

    def test_of_four_megabytes_and_more(self) -> None:
        world = World(PROMPT)
        with pytest.raises(ClientError) as error:
            world.write("token", *(put_entry(f"{number}", "x" * 400_000) for number in range(11)))
        assert code_of(error) == "ValidationException"

    def test_as_one_commit(self) -> None:
        world = World(PROMPT)
        world.put("a")
        world.write("token", put_entry("a", "x"), put_entry("b", "x"))
        (_, commit) = world.commits
        assert (commit.serial, commit.at, commit.cause) == (2, world.now, "request")
        before, after = commit.changes["a"]
        assert (before, after) == ({"pk": {"S": "a"}}, world.database.rows["a"])
        assert commit.changes["b"][0] is None


class TestRestore:
    def test_of_all(self) -> None:
        world = World(PROMPT)
        world.put("a", note="old")
        at = world.now
        world.now += 60
        world.put("a", note="new")
        world.put("b")
        world.database.restore_some(at, share=1.0)
        assert world.database.rows == {"a": {"pk": {"S": "a"}, "note": {"S": "old"}}}
        assert world.commits[-1].cause == "restore"

    def test_of_some(self) -> None:
        world = World(PROMPT)
        at = world.now - 1
        for number in range(100):
            world.put(f"{number}")
        world.database.restore_some(at, share=0.5)
        assert 20 < len(world.database.rows) < 80


class TestStrain:
    def test_of_writes(self) -> None:
        """Every kind of trouble comes, and nothing is written."""
        world = World(USUAL._replace(strain=1.0))
        seen = set()
        for number in range(200):
            with pytest.raises(ClientError) as error:
                world.write(f"{number}", put_entry("a", "x"), put_entry("b", "x"))
            response: Any = dict(error.value.response)
            reasons = {reason["Code"] for reason in response.get("CancellationReasons", ())}
            seen |= {code_of(error), *reasons}
        assert seen == {
            "None",
            "ProvisionedThroughputExceeded",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ThrottlingError",
            "ThrottlingException",
            "TransactionCanceledException",
            "TransactionConflict",
        }
        assert world.database.rows == {}

    def test_of_reads(self) -> None:
        """Some keys are left, and pages end early; together they come to the whole."""
        world = World(PROMPT._replace(strain=0.7), seed=3)
        for number in range(50):
            world.put(f"{number:02}", status="active", created_at=f"{number:02}")
        left = {"Keys": [{"pk": {"S": f"{number:02}"}} for number in range(50)]}
        rows: list[Item] = []
        rounds = 0
        while left:
            rounds += 1
            try:
                request = {"RequestItems": {TABLE_NAME: {**left, "ConsistentRead": True}}}
                answer = world.database.execute("BatchGetItem", request)
            except ClientError:
                continue
            rows += answer["Responses"][TABLE_NAME]
            left = answer["UnprocessedKeys"].get(TABLE_NAME, {})
        assert sorted(row["pk"]["S"] for row in rows) == sorted(world.database.rows)
        assert rounds > 1


def test_same_seed() -> None:
    """Whatever is at random comes from the seed."""

    def live() -> list[Any]:
        world = World(USUAL._replace(strain=0.2), seed=7)
        seen: list[Any] = []
        for number in range(200):
            world.put(f"{number % 9}", status="active", created_at=f"{number:03}")
            world.now += 0.1
            try:
                seen.append(world.listed("active", Limit=4))
            except ClientError as error:
                seen.append(str(error))
            if number % 50 == 49:
                world.database.restore_some(world.now - 3, share=0.5)
        return [*seen, world.commits, world.database.next_instant()]

    assert live() == live()
