"""The policy of each role grants exactly what its calls need."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    Limits,
    Quota,
    TableLayout,
    TableRole,
    adopt_table,
    create_table,
    harden_table,
    iam_policy,
    verify_table,
)
from aiobreakglass.testing import FakeClock
from tests import test_docs_claims as claims
from tests.documents import calls
from tests.documents.calls import LAYOUT, REGION, TABLE, Alice, Permission, Recorder
from tests.documents.pages import ROOT, Page

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

ARN = f"arn:aws:dynamodb:{REGION}:123456789012:table/{TABLE}"

LIMITS = Limits(
    per_invoker=Quota(30, timedelta(days=1)),
    per_profile=Quota(30, timedelta(hours=1)),
    max_unreviewed=20,
)
"""Every role has exactly its permissions also with limits."""


class IndexRecorder(Recorder):
    """Records by name which index a request reads."""

    def _need(self, action: str, params: dict[str, Any], enclosing: str | None = None) -> None:
        self.permissions.add((f"dynamodb:{action}", params.get("IndexName", "table"), enclosing))


async def asks(alice: Alice, event: BreakGlassEvent) -> None:
    await claims.only_asks(alice, event)
    assert await alice.store.history(event.id)


async def opens(alice: Alice, event: BreakGlassEvent) -> None:
    await asks(alice, event)
    later = event.expires_at + timedelta(minutes=30)
    event = await alice.store.extend(
        event.id, expires_at=later, extended_by="bob", reason="Not done"
    )
    event = await alice.store.update(event.model_copy(update={"request_id": "c0ffee"}))
    await alice.closes(event)
    # A guard that has lost its event is reaped.
    event = await alice.opens()
    key = {"pk": {"S": LAYOUT.event_key(event.id)}}
    await alice.others.delete_item(TableName=TABLE, Key=key)
    alice.clock.set((await alice.opens()).expires_at)
    await alice.closes(await alice.opens())


async def reviews(alice: Alice, event: BreakGlassEvent) -> None:
    await claims.decides_reviews_and_holds(alice, event)


async def operates(alice: Alice, event: BreakGlassEvent) -> None:
    await opens(alice, event)
    await reviews(alice, await alice.opens())
    await alice.store.delete((await alice.opens()).id)
    await adopt_table(alice.recorder.client, TABLE, clock=alice.clock)
    await verify_table(alice.recorder.client, TABLE)


async def deploys(alice: Alice, _: BreakGlassEvent) -> None:
    client = alice.recorder.client
    await alice.others.delete_table(TableName=TABLE)
    await create_table(client, TABLE)
    await create_table(client, TABLE, point_in_time_recovery=True, deletion_protection=True)
    assert await verify_table(client, TABLE) == []
    await harden_table(client, TABLE)
    # `create_table` probes for transactions; a denied probe is an answer as well.
    alice.recorder.permissions.discard(
        ("dynamodb:ConditionCheckItem", "table", "TransactWriteItems")
    )


ROLES: dict[TableRole, Callable[[Alice, BreakGlassEvent], Awaitable[None]]] = {
    TableRole.ASKS: asks,
    TableRole.OPENS: opens,
    TableRole.REVIEWS: reviews,
    TableRole.SWEEPS: claims.marks_what_has_run_out,
    TableRole.AUDITS: claims.audits,
    TableRole.OPERATES: operates,
    TableRole.DEPLOYS: deploys,
}

SECTIONS = {
    TableRole.ASKS: "Only asks",
    TableRole.REVIEWS: "Decides reviews and holds",
    TableRole.SWEEPS: "Marks what has run out",
    TableRole.AUDITS: "Audits",
}
"""The roles whose policies the page for operators shows."""


def granted(role: TableRole) -> set[Permission]:
    """Return what the policy of a role grants, with the names of indexes."""
    policy = json.loads(iam_policy(role, ARN))
    assert policy["Version"] == "2012-10-17"
    permissions = set()
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        condition = statement.get("Condition", {}).get("ForAnyValue:StringEquals", {})
        enclosing = condition.get("dynamodb:EnclosingOperation")
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources:
            assert resource.startswith(ARN)
            place = resource.removeprefix(ARN).removeprefix("/index/") or "table"
            permissions |= {(action, place, enclosing) for action in statement["Action"]}
    return permissions


class TestPolicies:
    @pytest.mark.parametrize("role", TableRole)
    async def test_role_needs_exactly_what_its_policy_grants(
        self, role: TableRole, moto_client: DynamoDBClient, no_table: DynamoDBClient
    ) -> None:
        """The requests of its calls are recorded, with the index that each reads."""
        await create_table(no_table, TABLE)
        clock, recorder = FakeClock(), IndexRecorder(moto_client)
        store = AsyncDynamoDBStore(moto_client, TABLE, clock=clock, limits=LIMITS)
        alice = Alice("alice", store, clock, recorder, no_table)
        event = await alice.has_opened()
        recorder.permissions.clear()
        await ROLES[role](alice, event)
        assert recorder.permissions == granted(role)

    @pytest.mark.parametrize("role", SECTIONS)
    def test_page_shows_the_same_policy(self, role: TableRole) -> None:
        """The page names all indexes together."""
        written = {
            (action, place if place == "table" else "index", enclosing)
            for action, place, enclosing in granted(role)
        }
        assert written == calls.policy(SECTIONS[role])

    def test_page_has_each_role(self) -> None:
        """The page says who it is for."""
        rows = Page(ROOT / "docs" / "deploy.md").rows("Give each role its policy")
        assert [role.strip("`") for role, *_ in rows] == list(TableRole)

    def test_indexes_have_the_names_of_the_layout(self) -> None:
        """A worker reads one index only."""
        policy = json.loads(
            iam_policy("sweeps", ARN, layout=TableLayout(status_index="by-status"))
        )
        assert policy["Statement"][1]["Resource"] == [f"{ARN}/index/by-status"]

    @pytest.mark.parametrize(
        ("role", "arn", "error", "message"),
        [
            ("rules", ARN, ValueError, "^role must be one of asks, opens, .*, deploys$"),
            (None, ARN, ValueError, "^role must be one of asks"),
            ("asks", TABLE, ValueError, "^table_arn must be the ARN of a table, not its name"),
            ("asks", f"{ARN}/index/*", ValueError, "^table_arn must be the ARN of a table"),
            ("asks", "*", ValueError, "^table_arn must be the ARN of a table"),
            ("asks", None, TypeError, "^table_arn must be a str"),
        ],
    )
    def test_wrong_argument_is_refused(
        self, role: str, arn: Any, error: type[Exception], message: str
    ) -> None:
        """A policy for more than one table would grant too much."""
        with pytest.raises(error, match=message):
            iam_policy(role, arn)
