"""Evidence from tables that stores have written, on real APIs of DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    Finding,
    StoreUnavailableError,
    TableError,
    access_at,
    audit_table,
    export_events,
    verify_anchor,
)
from aiobreakglass._dynamodb import scan as scans
from aiobreakglass.testing import FakeClock, make_event

from .table import LAYOUT

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

MINUTE = timedelta(minutes=1)


async def lived(store: AsyncDynamoDBStore, clock: FakeClock) -> dict[str, BreakGlassEvent]:
    """Let some events live, each of another kind, and return them by their invokers."""
    events = {
        name: await store.create(make_event(invoker=name, created_at=clock()))
        for name in ("active", "closed", "deleted", "extended", "lapsed")
    }
    clock.advance(MINUTE)
    longer = events["extended"].expires_at + MINUTE
    extended = events["extended"].model_copy(update={"expires_at": longer})
    events["extended"] = await store.update(extended, by="bob")
    events["closed"] = await store.close(
        events["closed"].id, closed_by="bob", closed_reason="done"
    )
    await store.delete(events["deleted"].id, by="bob", note="a test")
    events["old"] = await store.create(
        make_event(invoker="old", created_at=clock() - timedelta(days=3), status="expired")
    )
    return events


async def remove(client: DynamoDBClient, table_name: str, key: str) -> None:
    await client.delete_item(TableName=table_name, Key={"pk": {"S": key}})


async def set_text(
    client: DynamoDBClient, table_name: str, key: str, name: str, value: str
) -> None:
    await client.update_item(
        TableName=table_name,
        Key={"pk": {"S": key}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": {"S": value}},
    )


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


class TestWholeWay:
    async def test_table_of_a_store_is_in_order(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The audit finds nothing, and neither does the verification by an anchor."""
        monkeypatch.setattr(scans, "PAGE_ROWS", 3)
        events = await lived(store, clock)
        assert await audit_table(client, table_name, now=clock()) == []
        manifest = await export_events(client, table_name, tmp_path, now=clock())
        clock.advance(MINUTE)
        await store.close(events["active"].id, closed_by="bob", closed_reason="done")
        await store.delete(events["closed"].id)
        clock.advance(timedelta(minutes=6))
        await store.create(make_event(invoker="new", created_at=clock()))
        assert await verify_anchor(client, table_name, manifest, now=clock()) == []
        assert await audit_table(client, table_name, now=clock()) == []

    @pytest.mark.on_dynamodb_local
    async def test_export_has_every_event_and_every_entry(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        tmp_path: Path,
    ) -> None:
        events = await lived(store, clock)
        await export_events(client, table_name, tmp_path / "events", now=clock())
        deleted = events.pop("deleted")
        assert {line["id"] for line in lines(tmp_path / "events" / "events.jsonl")} == {
            event.id for event in events.values()
        }
        await export_events(client, table_name, tmp_path / "all", what="history", now=clock())
        expected = {
            entry.entry
            for event in [*events.values(), deleted]
            for entry in await store.history(event.id)
        }
        found = [line["entry"] for line in lines(tmp_path / "all" / "history.jsonl")]
        assert len(found) == len(expected)
        assert set(found) == expected

    @pytest.mark.on_dynamodb_local
    async def test_damage_by_hand_is_found(
        self,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        tmp_path: Path,
    ) -> None:
        events = await lived(store, clock)
        manifest = await export_events(client, table_name, tmp_path, formats=[], now=clock())
        guard = LAYOUT.guard_key("active", "prod")
        await remove(client, table_name, guard)
        await remove(client, table_name, LAYOUT.history_key(events["extended"].id, 1))
        reason = "Somebody invented this reason later"
        key = LAYOUT.event_key(events["closed"].id)
        await set_text(client, table_name, key, "justification", reason)
        for name in ("event_key", "old history"):
            old = events["old"].id
            key = LAYOUT.event_key(old) if name == "event_key" else LAYOUT.history_key(old, 1)
            await remove(client, table_name, key)
        audited = await audit_table(client, table_name, now=clock())
        assert kinds(audited) == {"without guard", "gap", "altered", "not as recorded"}
        verified = await verify_anchor(client, table_name, manifest, now=clock())
        assert kinds(verified) == {"gap", "altered", "not as recorded", "removed"}
        assert events["old"].id in str(verified)

    @pytest.mark.on_dynamodb_local
    async def test_access_at_past_instants(
        self, store: AsyncDynamoDBStore, clock: FakeClock
    ) -> None:
        start = clock()
        events = await lived(store, clock)

        async def names(after: timedelta, **asked: Any) -> set[str]:
            found = await access_at(store, start + after, now=start + timedelta(days=1), **asked)
            return {event.invoker for event in found}

        assert await names(timedelta(0)) == {"active", "closed", "extended", "lapsed"}
        assert await names(MINUTE) == {"active", "extended", "lapsed"}
        assert await names(60 * MINUTE) == {"extended"}
        assert await names(MINUTE, invoker="lapsed", profile="prod") == {"lapsed"}
        assert await names(MINUTE, profile="other") == set()
        assert events["old"].id not in await names(timedelta(0))


class TestSegments:
    @pytest.fixture
    def endpoint_url(self, dynamodb_local_endpoint: str) -> str:
        """Use DynamoDB Local, because moto returns all rows in each segment."""
        return dynamodb_local_endpoint

    @pytest.mark.parametrize("segments", [2, 8])
    async def test_segments_side_by_side_visit_each_row_once(
        self,
        segments: int,
        store: AsyncDynamoDBStore,
        client: DynamoDBClient,
        table_name: str,
        clock: FakeClock,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(scans, "PAGE_ROWS", 2)
        events = await lived(store, clock)
        await remove(client, table_name, LAYOUT.guard_key("active", "prod"))
        (finding,) = await audit_table(client, table_name, segments=segments, now=clock())
        assert finding.kind == "without guard"
        manifest = await export_events(client, table_name, tmp_path, segments=segments)
        assert sorted(line["id"] for line in lines(tmp_path / "anchor.jsonl")) == sorted(
            event.id for event in events.values()
        )
        assert (
            await verify_anchor(client, table_name, manifest, segments=segments, now=clock()) == []
        )


class TestFailures:
    @pytest.fixture
    def endpoint_url(self, dynamodb_local_endpoint: str) -> str:
        return dynamodb_local_endpoint

    async def test_missing_table_is_named(self, client: DynamoDBClient) -> None:
        with pytest.raises(TableError, match="'no-such-table' is not the one"):
            await audit_table(client, "no-such-table")

    async def test_throttled_pages_are_read_again(
        self, store: AsyncDynamoDBStore, client: DynamoDBClient, table_name: str, clock: FakeClock
    ) -> None:
        """Throttling slows the audit down, and loses nothing."""
        await lived(store, clock)
        await remove(client, table_name, LAYOUT.guard_key("active", "prod"))
        throttled: Any = Throttled(client)
        (finding,) = await audit_table(throttled, table_name, now=clock())
        assert finding.kind == "without guard"
        assert throttled.refused > 2

    async def test_scan_that_is_not_allowed_is_reported(
        self, client: DynamoDBClient, table_name: str
    ) -> None:
        denied: Any = Throttled(client, code="AccessDeniedException", every=1)
        with pytest.raises(StoreUnavailableError, match="AccessDeniedException"):
            await audit_table(denied, table_name)


class Throttled:
    """A client whose reads DynamoDB refuses, every other time."""

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        code: str = "ProvisionedThroughputExceededException",
        every: int = 2,
    ) -> None:
        self._client = client
        self._code = code
        self._every = every
        self._calls = 0
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name not in ("scan", "batch_get_item"):
            return method

        async def call(**request: Any) -> Mapping[str, Any]:
            from botocore.exceptions import ClientError

            self._calls += 1
            if self._calls % self._every == 0:
                self.refused += 1
                raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "Scan")
            answer: Mapping[str, Any] = await method(**request)
            return answer

        return call


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
