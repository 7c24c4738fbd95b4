"""Repairs: in which order, until they are in effect, and after every failure."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from aiobreakglass import (
    Finding,
    Hardening,
    StoreUnavailableError,
    TableError,
    TableLayout,
    harden_table,
)
from aiobreakglass._table.definition import key_schema
from aiobreakglass._table.judgments import judge
from tests.dynamodb.table.scripted import failure

from .control_plane import ControlPlane
from .states import DEFINITION, KEY, described, good, typed, with_index, without_index

BARE = described(
    without_index(without_index(good(), "review-index"), "profile-index"),
    DeletionProtectionEnabled=False,
)._replace(recovery="DISABLED", time_to_live={"TimeToLiveStatus": "DISABLED"})
"""A table of ours that lacks everything that can be lacking."""

REPAIRED = ["deletion protection", "recovery", "profile-index", "review-index", "time to live"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll without a pause."""
    monkeypatch.setattr("aiobreakglass._table.steps._POLL_SECONDS", 0)


async def harden(client: ControlPlane, **options: Any) -> Hardening:
    return await harden_table(client, "break-glass", **options)  # type: ignore[arg-type] # a fake


def kinds(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.kind for finding in findings]


class TestRepairs:
    async def test_everything_that_can_be_lacking_is_repaired(self) -> None:
        """The protections come first, then the indexes, which take long, and TTL comes last."""
        client = ControlPlane(BARE)
        hardening = await harden(client, time_to_live=True)
        assert client.changes == REPAIRED
        assert kinds(hardening.repaired) == [
            "deletion protection",
            "point-in-time recovery",
            "missing index",
            "missing index",
            "time to live",
        ]
        assert hardening.left == ()
        assert judge(DEFINITION, client.state) == []

    async def test_ttl_is_left_alone_unless_asked_for(self) -> None:
        """TTL deletes rows, and nothing brings them back."""
        client = ControlPlane(BARE)
        hardening = await harden(client)
        assert client.changes == [change for change in REPAIRED if change != "time to live"]
        assert kinds(hardening.left) == ["time to live"]

    async def test_stream_is_turned_on_if_asked_for(self) -> None:
        """A stream takes nothing away."""
        client = ControlPlane(good())
        hardening = await harden(client, stream="KEYS_ONLY")
        assert (client.changes, hardening.left) == (["stream"], ())

    @pytest.mark.parametrize(
        ("options", "state", "left"),
        [
            ({"kms_key": KEY}, good(), "encryption"),
            ({}, good(DEFINITION._replace(stream="KEYS_ONLY")), "stream"),
            (
                {"time_to_live": True},
                good()._replace(
                    time_to_live={"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
                ),
                "time to live",
            ),
        ],
        ids=["another key", "a stream", "TTL by another attribute"],
    )
    async def test_what_takes_something_away_is_left(
        self, options: dict[str, Any], state: Any, left: str
    ) -> None:
        """It needs a decision."""
        client = ControlPlane(state)
        hardening = await harden(client, **options)
        assert (client.changes, hardening.repaired, kinds(hardening.left)) == ([], (), [left])

    async def test_dry_run_says_the_same_and_changes_nothing(self) -> None:
        """What a dry run promises is what the call then does."""
        client = ControlPlane(BARE)
        planned = await harden(client, dry_run=True)
        assert client.changes == []
        assert planned == await harden(client)

    async def test_table_that_needs_nothing_is_only_read(self) -> None:
        """A second call changes nothing."""
        client = ControlPlane(good())
        assert await harden(client) == Hardening((), ())
        assert client.requests == [
            "describe_table",
            "describe_time_to_live",
            "describe_continuous_backups",
        ]

    async def test_index_of_an_earlier_call_is_waited_for(self) -> None:
        """The result says how the table is when it is ready."""
        client = ControlPlane(with_index(good(), "review-index", IndexStatus="CREATING"))
        client.describes_until_active = 3
        assert kinds((await harden(client, dry_run=True)).left) == ["index status"]
        assert await harden(client) == Hardening((), ())

    async def test_index_that_is_being_deleted_is_added_when_it_is_gone(self) -> None:
        """A dry run says so, and does not wait."""

        class Deleting(ControlPlane):
            def _describe(self) -> dict[str, Any]:
                if not self.describes_until_active:
                    indexes = self.description["GlobalSecondaryIndexes"]
                    indexes[:] = [it for it in indexes if it["IndexStatus"] != "DELETING"]
                return super()._describe()

        client = Deleting(with_index(good(), "review-index", IndexStatus="DELETING"))
        client.describes_until_active = 3
        planned = await harden(client, dry_run=True)
        assert (kinds(planned.repaired), planned.left) == (["missing index"], ())
        done = await harden(client)
        assert (kinds(done.repaired), done.left) == (["missing index"], ())
        assert client.changes == ["review-index"]

    async def test_ttl_that_is_being_turned_off_is_left(self) -> None:
        """DynamoDB refuses to turn it on before an hour has passed."""
        client = ControlPlane(BARE._replace(time_to_live={"TimeToLiveStatus": "DISABLING"}))
        hardening = await harden(client, time_to_live=True)
        assert client.changes == [change for change in REPAIRED if change != "time to live"]
        assert kinds(hardening.left) == ["time to live"]

    async def test_ttl_that_dynamodb_refuses_keeps_nothing_else_waiting(self) -> None:
        """It refuses a second change of TTL within an hour."""
        client = ControlPlane(BARE)

        async def refuse(**_: Any) -> Any:
            raise failure("ValidationException", "UpdateTimeToLive")

        client.update_time_to_live = refuse  # type: ignore[method-assign] # a fake
        with pytest.raises(TableError, match=r"^time to live of table break-glass cannot be rep"):
            await harden(client, time_to_live=True)
        assert client.changes == REPAIRED[:-1]

    async def test_each_repair_is_reported_once_it_is_in_effect(self) -> None:
        """So a caller can show what has been done, whatever happens next."""
        client = ControlPlane(BARE)
        reported: list[Finding] = []

        async def report(finding: Finding) -> None:
            assert client.describes_until_active == 0
            reported.append(finding)
            assert len(client.changes) == len(reported)

        hardening = await harden(client, on_repaired=report)
        assert tuple(reported) == hardening.repaired

    async def test_failure_of_the_callback_is_the_callers(self) -> None:
        """It is not mistaken for one of DynamoDB's, and the repair stays."""
        client = ControlPlane(BARE)

        async def fail(_: Finding) -> None:
            raise TimeoutError("the pager does not answer")

        with pytest.raises(TimeoutError, match="the pager"):
            await harden(client, on_repaired=fail)
        assert client.changes == REPAIRED[:1]


class TestFailures:
    async def test_call_goes_on_after_a_failure_of_any_request(self) -> None:
        """Whichever request fails, before or after its work, a second call does the rest, once."""
        clean = ControlPlane(BARE)
        await harden(clean, time_to_live=True)
        assert len(clean.requests) > 20
        for number in range(1, len(clean.requests) + 1):
            is_change = clean.requests[number - 1].startswith("update")
            for fails_late in {False, is_change}:
                client = ControlPlane(BARE)
                client.fails_at, client.fails_late = number, fails_late
                with pytest.raises(StoreUnavailableError):
                    await harden(client, time_to_live=True)
                hardening = await harden(client, time_to_live=True)
                assert hardening.left == ()
                assert client.changes == REPAIRED
                assert judge(DEFINITION, client.state) == []

    async def test_two_callers_at_the_same_time_make_each_repair_once(self) -> None:
        """Whenever the second one begins, both end with a table that needs nothing."""
        alone = ControlPlane(BARE)
        await harden(alone, time_to_live=True)
        for delay in range(len(alone.requests)):
            client = ControlPlane(BARE)

            async def later(client: ControlPlane, delay: int) -> Hardening:
                for _ in range(delay):
                    await asyncio.sleep(0)
                return await harden(client, time_to_live=True)

            both = await asyncio.gather(later(client, 0), later(client, delay))
            assert [hardening.left for hardening in both] == [(), ()]
            assert judge(DEFINITION, client.state) == []
            # Recovery that is turned on twice is on.
            assert list(dict.fromkeys(client.changes)) == REPAIRED
            assert len(client.changes) - client.changes.count("recovery") == len(REPAIRED) - 1

    @pytest.mark.parametrize(
        "code", ["ResourceInUseException", "LimitExceededException", "ValidationException"]
    )
    async def test_repair_that_another_caller_makes_is_accepted(self, code: str) -> None:
        """DynamoDB refuses the second request in different ways."""
        client = ControlPlane(described(good(), DeletionProtectionEnabled=False))

        def meanwhile() -> None:
            client.description["DeletionProtectionEnabled"] = True
            raise failure(code, "UpdateTable")

        client.before_change = meanwhile
        assert kinds((await harden(client)).repaired) == ["deletion protection"]
        assert client.requests.count("update_table") == 1

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("ValidationException", TableError),
            ("LimitExceededException", StoreUnavailableError),
            ("AccessDeniedException", StoreUnavailableError),
        ],
    )
    async def test_repair_that_is_refused_is_an_error(
        self, code: str, error: type[Exception]
    ) -> None:
        """The error quotes DynamoDB."""
        client = ControlPlane(described(good(), DeletionProtectionEnabled=False))

        def refuse() -> None:
            raise failure(code, "UpdateTable")

        client.before_change = refuse
        with pytest.raises(error, match="DynamoDB's words"):
            await harden(client)

    async def test_change_that_another_caller_makes_is_waited_for(self) -> None:
        """DynamoDB takes one change at a time."""
        client = ControlPlane(described(good(), DeletionProtectionEnabled=False))
        refusals = [failure("ResourceInUseException", "UpdateTable")]

        def refuse_once() -> None:
            if refusals:
                raise refusals.pop()

        client.before_change = refuse_once
        assert kinds((await harden(client)).repaired) == ["deletion protection"]
        assert client.changes == ["deletion protection"]

    @pytest.mark.parametrize("code", ["LimitExceededException", "ValidationException"])
    async def test_repair_is_sent_again_after_a_change_that_had_to_end_first(
        self, code: str
    ) -> None:
        """DynamoDB adds one index at a time, and refuses another one as a limit."""
        client = ControlPlane(without_index(good(), "review-index"))
        refusals = [failure(code, "UpdateTable")]

        def refuse_once() -> None:
            if refusals:
                client.describes_until_active = 3
                raise refusals.pop()

        client.before_change = refuse_once
        assert kinds((await harden(client)).repaired) == ["missing index"]
        assert client.changes == ["review-index"]

    async def test_recovery_of_a_new_table_is_waited_for(self) -> None:
        """A new table cannot have backups for a while."""
        client = ControlPlane(good()._replace(recovery="DISABLED"))
        refusals = [failure("ContinuousBackupsUnavailableException", "UpdateContinuousBackups")]

        def refuse_once() -> None:
            if refusals:
                raise refusals.pop()

        client.before_change = refuse_once
        assert kinds((await harden(client)).repaired) == ["point-in-time recovery"]

    async def test_repair_that_takes_too_long_is_unavailable(self) -> None:
        """The caller may call again to go on waiting."""
        client = ControlPlane(described(good(), DeletionProtectionEnabled=False))

        def refuse() -> None:
            raise failure("ContinuousBackupsUnavailableException", "UpdateContinuousBackups")

        client.before_change = refuse
        with pytest.raises(StoreUnavailableError, match="call harden_table again"):
            await harden(client, timeout=timedelta(milliseconds=20))

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            (described(BARE, KeySchema=key_schema("id")), "not laid out as a break-glass table"),
            (described(BARE, GlobalSecondaryIndexes=[]), "not laid out as a break-glass table"),
            (typed(BARE, "pk", "N"), "not laid out as a break-glass table"),
        ],
        ids=["another key", "no index of ours", "a key of another type"],
    )
    async def test_table_of_somebody_else_is_left_alone(self, state: Any, message: str) -> None:
        """Also a dry run refuses it."""
        for dry_run in (False, True):
            client = ControlPlane(state)
            with pytest.raises(TableError, match=message):
                await harden(client, dry_run=dry_run)
            assert client.changes == []

    async def test_table_that_cannot_be_used_is_left_alone(self) -> None:
        """DynamoDB refuses to change it."""

        class Archived(ControlPlane):
            async def describe_table(self, **_: Any) -> dict[str, Any]:
                return {"Table": self.description | {"TableStatus": "ARCHIVED"}}

        client = Archived(BARE)
        with pytest.raises(TableError, match="is in the state ARCHIVED, so nothing was changed"):
            await harden(client, timeout=timedelta(seconds=5))
        assert client.changes == []

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"layout": {}}, TypeError, "^layout must be a TableLayout"),
            ({"kms_key": "alias/mine"}, ValueError, "^kms_key must be the ARN of a KMS key"),
            ({"kms_key": 7}, TypeError, "^kms_key must be a str or None"),
            ({"stream": "ALL"}, ValueError, "^stream must be None or one of KEYS_ONLY, NEW_IMAGE"),
            ({"timeout": timedelta(0)}, ValueError, "^timeout must be at least"),
            ({"on_repaired": print}, TypeError, "^on_repaired must be an async function"),
        ],
    )
    async def test_wrong_argument_is_refused_before_any_request(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """The error names the argument."""
        client = ControlPlane(BARE)
        with pytest.raises(error, match=message):
            await harden(client, **options)
        assert client.requests == []

    async def test_layout_decides_what_is_ours(self) -> None:
        """The names are those of the given layout."""
        client = ControlPlane(BARE)
        with pytest.raises(TableError, match="not laid out"):
            await harden(client, layout=TableLayout(partition_key="key"))
