"""Every call of the store, with what it sends and needs, for the tables in the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    AsyncDynamoDBStore,
    BreakGlassEvent,
    LimitExceededError,
    Limits,
    Quota,
    TableLayout,
)
from aiobreakglass.testing import FakeClock, make_event
from tests.documents.pages import OPERATIONS

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

REGION = "eu-west-1"
TABLE = "break-glass"
LAYOUT = TableLayout()
JSON_BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)

Permission = tuple[str, str, str | None]
"""An action, the kind of its resource, and the operation that must enclose it."""


class Recorder:
    """The requests that a client sends, in the pages' words, and the permissions they need."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.client = client
        self.requests: list[str] = []
        self.permissions: set[Permission] = set()
        client.meta.events.register("provide-client-params.dynamodb", self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: object) -> None:
        parts = [part for item in params.get("TransactItems", ()) for part in item.items()]
        if parts:
            self.requests.append(f"{model.name}({', '.join(kind for kind, _ in parts)})")
        else:
            self.requests.append(model.name)
            self._need(model.name, params)
        for kind, part in parts:
            self._need(f"{kind}Item", part, enclosing=model.name)

    def _need(self, action: str, params: dict[str, Any], enclosing: str | None = None) -> None:
        resource = "index" if "IndexName" in params else "table"
        self.permissions.add((f"dynamodb:{action}", resource, enclosing))


def granted(*statements: dict[str, Any]) -> set[Permission]:
    arn = f"arn:aws:dynamodb:{REGION}:123456789012:table/{TABLE}"
    kinds = {arn: "table", f"{arn}/index/*": "index"}
    permissions = set()
    for statement in statements:
        assert statement["Effect"] == "Allow"
        conditions = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {})
        enclosing = conditions.get("dynamodb:EnclosingOperation")
        for action in statement["Action"]:
            permissions.add((action, kinds[statement["Resource"]], enclosing))
    return permissions


def policy(role: str) -> set[Permission]:
    """Return what the policy of a role on the page for operators grants."""
    (block,) = JSON_BLOCK.findall(OPERATIONS.section(role))
    statements = json.loads(block)
    if isinstance(statements, dict):
        statements = statements.get("Statement", [statements])
    return granted(*statements)


@dataclass
class Alice:
    """A user whose calls are recorded, under a different name for each call."""

    name: str
    store: AsyncDynamoDBStore
    clock: FakeClock
    recorder: Recorder
    others: DynamoDBClient

    async def opens(self) -> BreakGlassEvent:
        event = make_event(invoker=self.name, created_at=self.clock())
        return await self.store.create(event)

    async def closes(self, event: BreakGlassEvent) -> BreakGlassEvent:
        return await self.store.close(event.id, closed_by="bob", closed_reason="Over")

    async def has_opened(self) -> BreakGlassEvent:
        event = await self.opens()
        self.recorder.requests.clear()
        return event

    async def has_closed(self) -> BreakGlassEvent:
        event = await self.closes(await self.opens())
        self.recorder.requests.clear()
        return event


async def check_without_access(alice: Alice) -> None:
    await alice.store.find_active_by_invoker_and_profile(alice.name, "prod")


async def check_with_access(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.find_active_by_invoker_and_profile(event.invoker, event.profile)


async def check_again(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.find_active_by_invoker_and_profile(event.invoker, event.profile)
    alice.recorder.requests.clear()
    await alice.store.find_active_by_invoker_and_profile(event.invoker, event.profile)


async def check_many_without_access(alice: Alice) -> None:
    await alice.store.find_active_by_invoker_and_profiles(alice.name, ["prod", "staging"])


async def check_many_with_access(alice: Alice) -> None:
    await alice.has_opened()
    await alice.store.find_active_by_invoker_and_profiles(alice.name, ["prod", "staging"])


async def get(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.get(event.id)


async def create(alice: Alice) -> None:
    await alice.opens()


async def create_refused(alice: Alice) -> None:
    await alice.has_opened()
    with pytest.raises(ActiveEventExistsError):
        await alice.opens()


async def create_if_another_has_lapsed(alice: Alice) -> None:
    event = await alice.has_opened()
    alice.clock.set(event.expires_at)
    await alice.opens()


async def create_if_a_guard_has_lost_its_event(alice: Alice) -> None:
    event = await alice.has_opened()
    key = {"pk": {"S": LAYOUT.event_key(event.id)}}
    await alice.others.delete_item(TableName=TABLE, Key=key)
    await alice.opens()


async def update(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.update(event.model_copy(update={"request_id": "c0ffee"}))


async def update_what_was_read(alice: Alice) -> None:
    event = await alice.store.get((await alice.has_opened()).id)
    alice.recorder.requests.clear()
    await alice.store.update(event.model_copy(update={"request_id": "c0ffee"}))


async def update_what_the_history_does_not_know(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.others.update_item(
        TableName=TABLE,
        Key={"pk": {"S": LAYOUT.event_key(event.id)}},
        UpdateExpression="SET request_id = :by_hand",
        ExpressionAttributeValues={":by_hand": {"S": "by hand"}},
    )
    changed = event.model_copy(update={"request_id": "by hand", "mfa_verified": True})
    await alice.store.update(changed)


async def close(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.closes(event)


async def delete_active(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.delete(event.id)


async def delete_closed(alice: Alice) -> None:
    event = await alice.has_closed()
    await alice.store.delete(event.id)


def limits_for(event: BreakGlassEvent) -> Limits:
    """Return the limits of the calls that are about limits, and none for all others."""
    if event.invoker == create_with_three_limits.__name__:
        return Limits(
            cooldown=timedelta(minutes=5),
            per_invoker=Quota(3, timedelta(days=1)),
            per_profile=Quota(90, timedelta(minutes=1)),
        )
    if event.invoker == create_refused_by_a_limit.__name__:
        return Limits(cooldown=timedelta(minutes=5))
    if event.invoker == create_with_a_debt.__name__:
        return Limits(max_unreviewed=3)
    return Limits()


async def create_with_three_limits(alice: Alice) -> None:
    await alice.opens()


async def create_refused_by_a_limit(alice: Alice) -> None:
    await alice.has_closed()
    with pytest.raises(LimitExceededError):
        await alice.opens()


async def create_with_a_debt(alice: Alice) -> None:
    await alice.has_closed()
    await alice.opens()


async def extend(alice: Alice) -> None:
    event = await alice.has_opened()
    later = event.expires_at + timedelta(minutes=30)
    await alice.store.extend(event.id, expires_at=later, extended_by="bob", reason="Not done")


async def review(alice: Alice) -> None:
    event = await alice.has_closed()
    await alice.store.review(event.id, reviewed_by="bob", outcome="justified", comment="Fine")


async def list_awaiting_review(alice: Alice) -> None:
    await alice.store.list_awaiting_review()


async def hold(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.hold(event.id, held_by="counsel", reason="Case 7")


async def release_hold(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.hold(event.id, held_by="counsel", reason="Case 7")
    alice.recorder.requests.clear()
    await alice.store.release_hold(event.id, released_by="counsel", reason="Over")


async def history(alice: Alice) -> None:
    event = await alice.has_opened()
    await alice.store.history(event.id)


async def list_by_invoker(alice: Alice) -> None:
    await alice.store.list_by_invoker(alice.name)


async def list_by_status(alice: Alice) -> None:
    await alice.store.list_by_status("active")


async def list_by_profile(alice: Alice) -> None:
    await alice.store.list_by_profile("prod")


async def count_by_invoker(alice: Alice) -> None:
    await alice.store.count_by_invoker_since(alice.name, alice.clock())


async def count_by_profile(alice: Alice) -> None:
    await alice.store.count_by_profile_since("prod", alice.clock())


async def get_last(alice: Alice) -> None:
    await alice.store.get_last_by_invoker_and_profile(alice.name, "prod")


CALLS: dict[Callable[[Alice], Awaitable[None]], str] = {
    check_without_access: "`find_active_by_invoker_and_profile`, no access",
    check_with_access: "`find_active_by_invoker_and_profile`, access, the first time",
    check_again: "`find_active_by_invoker_and_profile`, access, again",
    check_many_without_access: "`find_active_by_invoker_and_profiles`, no access",
    check_many_with_access: "`find_active_by_invoker_and_profiles`, access",
    get: "`get`",
    create: "`create`",
    create_refused: "`create`, refused",
    create_with_three_limits: "`create`, with `cooldown`, `per_invoker` and `per_profile`",
    create_refused_by_a_limit: "`create`, refused by a limit that counts",
    create_with_a_debt: "`create`, with `max_unreviewed` and an event to review",
    create_if_another_has_lapsed: "`create`, if another has lapsed",
    create_if_a_guard_has_lost_its_event: "`create`, if a guard has lost its event",
    update: "`update`",
    update_what_was_read: "`update`, of an event that `get` or a list has returned",
    update_what_the_history_does_not_know: "`update`, of an event that its history does not know",
    close: "`close`",
    extend: "`extend`",
    review: "`review`",
    hold: "`hold`",
    release_hold: "`release_hold`",
    delete_active: "`delete`, active",
    delete_closed: "`delete`, closed or expired",
    history: "`history`",
    list_by_invoker: "lists and counts",
    list_by_status: "lists and counts",
    list_by_profile: "lists and counts",
    count_by_invoker: "lists and counts",
    count_by_profile: "lists and counts",
    get_last: "lists and counts",
    list_awaiting_review: "lists and counts",
}
