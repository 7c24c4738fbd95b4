"""Every verb on both emulators: what it answers, and with which status."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.running import Command, by_hand

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

NOBODY = "0000000000000000"
OLD = "fedcba9876543210"
WHY = "The primary database does not answer"
OPEN = ("open", "prod", "--reason-code", "incident", "--justification", WHY)


def made(command: Command) -> None:
    """Make the table; the emulators have neither of the two protections."""
    options = ("--no-point-in-time-recovery", "--no-deletion-protection")
    command("table", "create", *options, status=0)


def opened(command: Command, invoker: str, *options: str) -> str:
    """Open access, and return the id of the event."""
    ran = command(*OPEN, "--invoker", invoker, "--json", *options, status=0)
    return str(ran.objects[0]["id"])


def test_access_from_opening_to_closing(command: Command, table: str) -> None:
    """Yes is 0, no is 1, and a rule that refuses is 4."""
    ran = command(
        "table", "create", "--no-point-in-time-recovery", "--no-deletion-protection", status=0
    )
    assert ran.out == f"table {table} is ready\n"
    command("check", "alice", "prod", status=1)
    ran = command(
        *OPEN, "--invoker", "alice", "--for", "1h30m", "--label", "ticket=INC-4711", status=0
    )
    assert ran.err == "Recording that alice opens prod for 1h30m.\n"
    assert re.match(r"alice holds prod until .+ \(1h29m left\)\nevent [0-9a-f]{16}\n$", ran.out)
    event_id = ran.out.split()[-1]

    ran = command("check", "alice", "prod", "--json", status=0)
    assert ran.objects[0]["access"] is True
    assert ran.objects[0]["event"]["labels"] == {"ticket": "INC-4711"}
    assert command("check", "bob", "prod", "--json").objects == [{"access": False}]

    ran = command(*OPEN, "--invoker", "alice", "--json", status=4)
    assert ran.out == ""
    assert ran.failure["error"] == "ActiveEventExistsError"
    assert ran.failure["event_ids"] == [event_id]

    ran = command(
        "extend", event_id, "--for", "30m", "--by", "carol", "--reason", "Not done", status=0
    )
    assert ran.out.startswith("extended by carol: alice holds prod until")
    late = command("extend", event_id, "--for", "4h", "--by", "carol", "--reason", "Not done")
    assert (late.status, late.out) == (2, ""), late

    ran = command("list", "--utc")
    titles, row = ran.out.splitlines()
    assert titles.split()[:3] == ["event", "state", "invoker"]
    assert row.split()[:4] == [event_id, "active", "alice", "prod"]

    ran = command("close", event_id, "--closed-by", "bob", "--reason", "Over", status=0)
    assert ran.out == "closed by bob: alice no longer holds prod\n"
    command("close", event_id, "--by", "bob", "--reason", "Over", status=4)
    command("close", NOBODY, "--by", "bob", "--reason", "Over", status=1)
    ran = command("check", "alice", "prod", status=1)
    assert ran.out == "no: alice does not hold prod\n"
    ran = command("list")
    assert (ran.status, ran.out, ran.err) == (0, "", "There is no such event.\n")


@pytest.mark.on_dynamodb_local
def test_review_hold_and_evidence(
    command: Command, table: str, endpoint_url: str, tmp_path: Path
) -> None:
    """What reviewers, counsel and auditors ask, and what an alteration leaves behind."""
    made(command)
    event_id = opened(command, "alice")
    active = opened(command, "bob")
    command("review", event_id, *reviewed_by("carol"), status=4)
    command("close", event_id, "--by", "bob", "--reason", "Over", status=0)
    waiting = command("list", "--awaiting-review", "--json", status=0)
    assert [values["id"] for values in waiting.objects] == [event_id]
    command("review", event_id, *reviewed_by("Alice"), status=4)
    command("review", event_id, *reviewed_by("carol", "needs-follow-up"), status=0)
    follow_up = command("list", "--follow-up", "--json", status=0)
    assert [values["id"] for values in follow_up.objects] == [event_id]
    ran = command("review", event_id, *reviewed_by("carol"), status=0)
    assert ran.out == "reviewed by carol: justified\n"

    hold = ("--by", "counsel", "--reason", "Case 7")
    command("hold", event_id, *hold, status=0)
    ran = command("hold", event_id, *hold, status=4)
    assert "aiobreakglass release ID" in ran.err
    command("release", event_id, *hold, status=0)
    command("release", event_id, *hold, status=4)

    ran = command("history", event_id)
    assert [line.split()[3] for line in ran.out.splitlines()[1:]] == [
        *("created", "closed", "reviewed", "reviewed", "held", "released")
    ]
    entries = command("history", event_id, "--json", status=0).objects
    assert [entry["revision"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    command("history", NOBODY, status=1)
    ran = command("show", event_id)
    fields = dict(re.split(r" {2,}", line, maxsplit=1) for line in ran.out.splitlines())
    assert fields["justification"] == WHY
    assert fields["review outcome"] == "justified"
    assert command("show", NOBODY, "--json").failure["status"] == 1

    held = command("at", "now", "--json", status=0).objects
    assert [values["id"] for values in held] == [active]
    ran = command("at", "1h", "--profile", "prod", status=0)
    assert ran.out == ""
    drawing = tmp_path / "timeline.svg"
    command("timeline", "--since", "1h", "--svg", str(drawing), status=0)
    assert "2 uses of 2 pairs" in drawing.read_text(encoding="utf-8")
    ET.fromstring(drawing.read_text(encoding="utf-8"))  # noqa: S314 - our own drawing
    assert "█" in command("timeline", "--since", "1h").out

    command("export", str(tmp_path / "export"), status=0)
    command("export", str(tmp_path / "export"), status=2)
    manifest = str(tmp_path / "export" / "manifest.json")
    for question in (
        ("verify",),
        ("audit",),
        ("verify", event_id),
        ("verify", "--against", manifest),
    ):
        ran = command(*question)
        assert (ran.status, ran.out) == (0, "nothing is wrong\n"), ran
    command("verify", NOBODY, status=1)

    async def alter(client: DynamoDBClient) -> None:
        await client.update_item(
            TableName=table,
            Key={"pk": {"S": f"BREAKGLASS#{event_id}"}},
            UpdateExpression="SET justification = :other",
            ExpressionAttributeValues={":other": {"S": "Nothing happened, nothing to see"}},
        )

    by_hand(endpoint_url, alter)
    for question in (
        ("verify",),
        ("audit",),
        ("verify", event_id),
        ("verify", "--against", manifest),
    ):
        ran = command(*question, "--json")
        assert ran.status == 1, ran
        altered = [found for found in ran.objects if found["kind"] == "altered"]
        assert [found["subject"] for found in altered] == [f"event {event_id}"]


def reviewed_by(name: str, outcome: str = "justified") -> tuple[str, ...]:
    return "--by", name, "--outcome", outcome, "--comment", "Seen in the channel"


def test_rows_that_do_not_belong(
    command: Command, table: str, endpoint_url: str, tmp_path: Path
) -> None:
    """A list shows what can be read, and says that it is not whole: status 3."""
    made(command)
    event_id = opened(command, "alice")

    async def spoil(client: DynamoDBClient) -> None:
        row = {
            "pk": {"S": f"BREAKGLASS#{NOBODY}"},
            "invoker": {"S": "mallory"},
            "profile": {"S": "prod"},
            "status": {"S": "active"},
            "created_at": {"S": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"},
        }
        await client.put_item(TableName=table, Item=row)
        guard = {"pk": {"S": "ACTIVE#7#mallory#prod"}, "event_id": {"S": NOBODY}}
        await client.put_item(TableName=table, Item=guard)
        entry = {"pk": {"S": f"HISTORY#{NOBODY}#000001"}, "entry": {"S": "{}"}}
        await client.put_item(TableName=table, Item=entry)
        old = {
            "pk": {"S": f"BREAKGLASS#{OLD}"},
            "id": {"S": OLD},
            "invoker": {"S": "carol"},
            "profile": {"S": "prod"},
            "reason_code": {"S": "incident"},
            "justification": {"S": WHY},
            "duration": {"N": "3600000000000"},
            "status": {"S": "expired"},
            "created_at": {"S": "2026-11-26T08:14:22.310275Z"},
            "updated_at": {"S": "2026-11-26T09:14:22.310275Z"},
            "expires_at": {"S": "2026-11-26T09:14:22.310275Z"},
        }
        await client.put_item(TableName=table, Item=old)
        guard = {"pk": {"S": "ACTIVE#3#bob#prod"}, "event_id": {"S": "1111111111111111"}}
        await client.put_item(TableName=table, Item=guard)

    by_hand(endpoint_url, spoil)
    ran = command("list", status=3)
    assert event_id in ran.out
    assert NOBODY in ran.err
    for question in (
        *("list --status active", "at now", "timeline"),
        *(f"show {NOBODY}", f"history {NOBODY}", "check mallory prod"),
    ):
        ran = command(*question.split(), "--json", status=3)
        assert ran.failure["error"] == "CorruptItemError"
        assert "aiobreakglass audit" in ran.failure["advice"]
    ran = command("verify", NOBODY, "--json", status=1)
    assert "not understood" in {found["kind"] for found in ran.objects}
    ran = command("expire", "--json", status=3)
    assert ran.failure["error"] == "ExpiryError"

    guards = "guard without event"
    checkpoint = tmp_path / "audit.checkpoint"
    ran = command("audit", "--checkpoint", str(checkpoint), "--json", status=1)
    assert {found["kind"] for found in ran.objects} == {
        *(guards, "changed outside", "not understood", "no history")
    }
    ran = command("verify", OLD, "--json")
    assert (ran.status, [found["kind"] for found in ran.objects]) == (0, ["no history"])
    assert not checkpoint.exists()
    assert guards not in command("verify").out
    resumed = {"table": table, "places": [[None, True]], "counts": {"rows": 9}}
    saved = {"work": f"audit {table}", "resume": json.dumps(resumed), "wrong": 2}
    checkpoint.write_text(json.dumps(saved), encoding="utf-8")
    ran = command("audit", "--checkpoint", str(checkpoint), status=1)
    assert ran.out == ""
    assert ran.err == "Before the interruption: 2 findings.\n2 findings\n"
    assert not checkpoint.exists()
    ran = command("table", "adopt", "--json", status=0)
    assert ran.objects == [{"adopted": 1, "skipped": 1}]
    assert command("verify", OLD).out == "nothing is wrong\n"


@pytest.mark.on_dynamodb_local
def test_missing_or_foreign_table_is_wrong_use(
    command: Command, table: str, endpoint_url: str, tmp_path: Path
) -> None:
    """It is no answer: neither "no", nor "could not tell", which would be tried again."""
    foreign = f"{table}-foreign"

    async def make_foreign_table(client: DynamoDBClient) -> None:
        await client.create_table(
            TableName=foreign,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    by_hand(endpoint_url, make_foreign_table)
    by = ("--by", "bob", "--reason", "Over")
    for line in (
        (*OPEN, "--invoker", "alice"),
        ("check", "alice", "prod"),
        ("extend", NOBODY, "--for", "30m", *by),
        ("close", NOBODY, *by),
        ("list", "--awaiting-review"),
        ("show", NOBODY),
        ("history", NOBODY),
        ("at", "now"),
        ("timeline",),
        ("review", NOBODY, *reviewed_by("carol")),
        ("hold", NOBODY, *by),
        ("release", NOBODY, *by),
        ("expire",),
        ("export", str(tmp_path / "export")),
        ("verify", NOBODY),
        ("audit",),
        ("table", "adopt"),
    ):
        ran = command(*line, "--table", foreign, "--json")
        assert (ran.status, ran.out) == (2, ""), (line, ran)
    for line in (("check", "alice", "prod"), ("timeline",), ("audit",)):
        assert command(*line, "--table", "nowhere", "--json", status=2).out == ""


@pytest.mark.on_dynamodb_local
def test_limits_of_the_settings_bind_the_command(
    command: Command, table: str, tmp_path: Path
) -> None:
    """An engineer's command must not be a way around the rules that the programs keep."""
    made(command)
    settings = tmp_path / "config" / "aiobreakglass" / "settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[tool.aiobreakglass.limits]\ncooldown = "1d"\n', encoding="utf-8")
    event_id = opened(command, "alice")
    command("close", event_id, "--by", "bob", "--reason", "Over", status=0)
    ran = command(*OPEN, "--invoker", "alice", "--json", status=4)
    assert ran.failure["error"] == "LimitExceededError"
    assert ran.failure["event_ids"] == [event_id]
