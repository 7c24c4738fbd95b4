"""Claims of the documentation beyond its blocks: roles, incidents, logs, the backend."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import get_session

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    CorruptItemError,
    ExpiryError,
    TableLayout,
    audit_table,
    create_table,
    expire_due,
    export_events,
    run_expiry,
    run_reminders,
    verify_anchor,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.documents import calls
from tests.documents.calls import LAYOUT, REGION, TABLE, Alice, Recorder, policy
from tests.documents.pages import OPERATIONS, ROOT, Page
from tests.documents.reader import Reader, commands

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

WEB = Page(ROOT / "docs" / "web.md")


async def only_asks(alice: Alice, event: BreakGlassEvent) -> None:
    await alice.store.find_active_by_invoker_and_profile(event.invoker, event.profile)
    await alice.store.find_active_by_invoker_and_profile("nobody", event.profile)
    await alice.store.find_active_by_invoker_and_profiles(event.invoker, [event.profile])
    await alice.store.get(event.id)


async def reviews(alice: Alice, event: BreakGlassEvent) -> None:
    await alice.store.get(event.id)
    assert await alice.store.history(event.id)
    for call in (calls.list_by_invoker, calls.list_by_status, calls.list_by_profile):
        await call(alice)
    for call in (calls.count_by_invoker, calls.count_by_profile, calls.get_last):
        await call(alice)


async def marks_what_has_run_out(alice: Alice, event: BreakGlassEvent) -> None:
    # If another writer has dropped what the row says about its history, the store looks for it.
    await alice.others.update_item(
        TableName=TABLE,
        Key={"pk": {"S": LAYOUT.event_key(event.id)}},
        UpdateExpression="REMOVE revision, head, digest",
    )
    alice.clock.set(event.expires_at)
    # If another pass of the same store has read the rows since, the store reads them again.
    await alice.store.get(event.id)
    assert [expired.id for expired in await expire_due(alice.store, now=alice.clock())] == [
        event.id
    ]


async def audits(alice: Alice, _: BreakGlassEvent) -> None:
    client = alice.recorder.client
    assert await audit_table(client, TABLE) == []
    with TemporaryDirectory() as folder:
        manifest = await export_events(client, TABLE, folder)
        assert await verify_anchor(client, TABLE, manifest) == []


async def decides_reviews_and_holds(alice: Alice, event: BreakGlassEvent) -> None:
    await reviews(alice, event)
    await alice.store.list_awaiting_review()
    await alice.store.hold(event.id, held_by="counsel", reason="Case 7")
    await alice.store.release_hold(event.id, released_by="counsel", reason="Over")
    alice.clock.set(event.expires_at)
    await alice.store.review(event.id, reviewed_by="bob", outcome="justified", comment="Fine")


ROLES = [
    "Does everything",
    "Only asks",
    "Reviews",
    "Decides reviews and holds",
    "Marks what has run out",
    "Audits",
    "Makes the table",
]


class TestOperations:
    def test_page_has_one_policy_for_each_role(self) -> None:
        headings = re.findall(
            r"^### (.+)\n\n(?:.+\n)+\n```json", OPERATIONS.text, flags=re.MULTILINE
        )
        assert headings == ROLES

    async def test_reviewer_who_decides_nothing_needs_exactly_what_the_policy_grants(
        self, moto_client: DynamoDBClient, no_table: DynamoDBClient
    ) -> None:
        """The policies of the others are those of `iam_policy`, which has tests of its own."""
        await create_table(no_table, TABLE)
        clock, recorder = FakeClock(), Recorder(moto_client)
        store = AsyncDynamoDBStore(moto_client, TABLE, clock=clock)
        alice = Alice("alice", store, clock, recorder, no_table)
        event = await alice.has_opened()
        recorder.permissions.clear()
        await reviews(alice, event)
        assert recorder.permissions == policy("Reviews")

    async def test_closing_by_hand_ends_access(
        self,
        moto_client: DynamoDBClient,
        no_table: DynamoDBClient,
        tmp_path: Path,
        moto_endpoint: str,
    ) -> None:
        """The page's commands for an operator end access and leave a complete event."""
        await create_table(no_table, TABLE)
        store = AsyncDynamoDBStore(moto_client, TABLE)
        event = await store.create(make_event(id="e5ee23033c0b4ce7"))
        with Reader(OPERATIONS, tmp_path, moto_endpoint) as reader:
            for block in OPERATIONS.texts("sh"):
                for command in commands(block):
                    reader.obey(command)
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        closed = await store.get(event.id)
        assert (closed.status, closed.closed_by) == ("closed", "bob")
        assert (await store.create(make_event())).is_active()

    async def test_environments_in_one_table_share_only_the_lists(
        self, moto_client: DynamoDBClient, no_table: DynamoDBClient
    ) -> None:
        """Environments in one table are separated by their keys, but not in the lists."""
        await create_table(no_table, TABLE)
        layouts = [
            TableLayout(event_prefix=f"{name}#", guard_prefix=f"{name}-ACTIVE#")
            for name in ("production", "trial")
        ]
        production, trial = (AsyncDynamoDBStore(moto_client, TABLE, layout=it) for it in layouts)
        event = await production.create(make_event())
        assert await trial.find_active_by_invoker_and_profile("alice", "prod") is None
        await trial.create(make_event())
        assert await production.find_active_by_invoker_and_profile("alice", "prod") == event
        with pytest.raises(CorruptItemError):
            await production.list_by_invoker("alice")
        with pytest.raises(ExpiryError):
            await expire_due(production)
        assert await production.count_by_invoker_since("alice", event.created_at) == 2

    async def test_active_event_without_guard_is_found_and_closed(
        self,
        moto_client: DynamoDBClient,
        no_table: DynamoDBClient,
        tmp_path: Path,
        moto_endpoint: str,
    ) -> None:
        """The check misses the event, the page's program finds it, and it can be closed."""
        await create_table(no_table, TABLE)
        store = AsyncDynamoDBStore(moto_client, TABLE)
        event = await store.create(make_event())
        await moto_client.delete_item(
            TableName=TABLE, Key={"pk": {"S": LAYOUT.guard_key(event.invoker, event.profile)}}
        )
        assert await store.find_active_by_invoker_and_profile("alice", "prod") is None
        (program,) = (text for text in OPERATIONS.texts("python") if "has no guard" in text)
        with Reader(OPERATIONS, tmp_path, moto_endpoint) as reader:
            found = reader.run(sys.executable, "-c", program)
        assert found == f"event {event.id} of alice has no guard: close it\n"
        closed = await store.close(event.id, closed_by="bob", closed_reason="It has no guard")
        assert closed.status == "closed"


BACKEND_FROM_START_TO_END = """
import asyncio
import httpx
from app import app


async def main():
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    async with app.router.lifespan_context(app), client:
        answer = await client.get("/access/prod", headers={"x-forwarded-user": "alice"})
        print(answer.status_code, answer.json())


asyncio.run(main())
"""


async def test_backend_opens_its_store_in_the_lifespan(
    no_table: DynamoDBClient, tmp_path: Path, moto_endpoint: str
) -> None:
    await create_table(no_table, TABLE)
    (program,) = (text for text in WEB.texts("python") if text.startswith("# app.py"))
    (tmp_path / "app.py").write_text(program, encoding="utf-8")
    with Reader(WEB, tmp_path, moto_endpoint) as reader:
        output = reader.run(sys.executable, "-c", BACKEND_FROM_START_TO_END)
    assert output == "200 None\n"


async def test_logs_contain_no_justifications_or_credentials(
    no_table: DynamoDBClient, moto_endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    await create_table(no_table, TABLE)
    clock = FakeClock()
    written = "hunter2 hunter2 hunter2"
    session = get_session()
    session.set_credentials("hunter2-key", "hunter2-secret", "hunter2-token")
    caplog.set_level(logging.DEBUG, "aiobreakglass")
    async with AsyncDynamoDBStore.open(
        TABLE, region_name=REGION, endpoint_url=moto_endpoint, session=session, clock=clock
    ) as store:
        event = await store.create(make_event(created_at=clock(), justification=written))
        later = event.expires_at + timedelta(minutes=1)
        await store.extend(event.id, expires_at=later, extended_by="carol", reason=written)
        await store.close(event.id, closed_by="bob", closed_reason=written)
        await store.review(event.id, reviewed_by="rita", outcome="justified", comment=written)
        await store.hold(event.id, held_by="counsel", reason=written)
        event = await store.create(make_event(created_at=clock(), justification=written))
        clock.set(event.expires_at)
        expired, reminded = asyncio.Event(), asyncio.Event()

        async def fail(_: BreakGlassEvent) -> None:
            expired.set()
            raise LookupError("no such pager")

        async def fail_to_remind(_: BreakGlassEvent, __: int) -> None:
            reminded.set()
            raise LookupError("no such pager")

        no_time = timedelta(0)
        loops = {
            asyncio.create_task(
                run_expiry(store, interval=timedelta(hours=1), on_expired=fail, clock=clock)
            ),
            asyncio.create_task(run_reminders(store, fail_to_remind, after=no_time, clock=clock)),
        }
        async with asyncio.timeout(30):
            await expired.wait()
            await reminded.wait()
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
    records = [record for record in caplog.records if record.name.startswith("aiobreakglass")]
    assert {record.levelname for record in records} == {"INFO", "ERROR"}
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in records)
    assert event.id in logged
    assert {"aiobreakglass.expiry", "aiobreakglass.reminders"} <= {
        record.name for record in records
    }
    assert "hunter2" not in logged
