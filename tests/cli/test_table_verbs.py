"""The verbs for those who run the table: verify and repair it, and write it as text."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from aiobreakglass import (
    Finding,
    Hardening,
    alarms_template,
    cloudformation_template,
    harden_table,
    iam_policy,
    terraform_configuration,
)
from aiobreakglass.cli.verbs import table as verbs
from tests.cli.running import REGION, Command, by_hand
from tests.cli.terminal import Terminal
from tests.dynamodb.table.test_review_index import without_review_index
from tests.table.commands import request_of, validate

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/break-glass"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/8c2f4a5e"
UNPROTECTED = ("--no-point-in-time-recovery", "--no-deletion-protection")


@pytest.fixture
def unprotected(command: Command, no_settings: pytest.MonkeyPatch, moto_endpoint: str) -> str:
    """A table on moto that has none of the two protections."""
    by_hand(moto_endpoint, lambda client: client.list_tables())
    name = f"breakglass-{uuid4().hex}"
    no_settings.setenv("AIOBREAKGLASS_TABLE", name)
    no_settings.setenv("AIOBREAKGLASS_REGION", REGION)
    no_settings.setenv("AIOBREAKGLASS_ENDPOINT_URL", moto_endpoint)
    command("table", "create", *UNPROTECTED, status=0)
    return name


def kinds(objects: list[dict[str, Any]]) -> list[tuple[str | None, str]]:
    return [(values.get("outcome"), values["kind"]) for values in objects]


def test_table_is_verified_and_repaired(
    command: Command, table: str, endpoint_url: str, tmp_path: Path
) -> None:
    """Findings are 1, and a missing or a foreign table is 2."""
    for verb in ("verify", "harden"):
        missing = command("table", verb, "--json", status=2)
        assert (missing.failure["error"], missing.out) == ("TableError", "")

    async def make_old_table(client: DynamoDBClient) -> None:
        await client.create_table(**without_review_index(table))

    by_hand(endpoint_url, make_old_table)
    found = command("table", "verify", *UNPROTECTED, "--json", status=1).objects
    assert kinds(found) == [(None, "missing index"), (None, "time to live")]
    assert list(found[0]) == ["severity", "kind", "subject", "found", "expected", "fix"]
    for finding in found:
        validate(*request_of(finding["fix"]))
    ran = command("table", "verify", *UNPROTECTED, status=1)
    assert ran.out.splitlines()[1] == f"  {found[0]['fix']}"
    assert ran.err == "2 findings\n"

    planned = command("table", "harden", *UNPROTECTED, "--dry-run", "--json", status=1)
    assert kinds(planned.objects) == [("planned", "missing index"), ("left", "time to live")]
    ran = command("table", "harden", *UNPROTECTED, status=1)
    subject = found[0]["subject"]
    assert ran.out.startswith(f"repaired: {subject}: missing index\nleft: warning: table {table}")
    assert ran.err == "1 finding\n"
    ran = command("table", "harden", *UNPROTECTED, "--time-to-live", "--json", status=0)
    assert kinds(ran.objects) == [("repaired", "time to live")]
    for verb in ("verify", "harden"):
        assert command("table", verb, *UNPROTECTED, status=0).out == "nothing is wrong\n"

    (policy,) = command("table", "policy", "sweeps", "--json", status=0).objects
    resource = json.loads(policy["text"])["Statement"][0]["Resource"]
    assert resource.endswith(f":table/{table}")

    settings = tmp_path / "settings.toml"
    settings.write_text('[tool.aiobreakglass.layout]\npartition_key = "other"\n', encoding="utf-8")
    foreign = ("--settings", str(settings), "--json")
    ran = command("table", "verify", *foreign, status=2)
    assert (None, "key") in kinds(ran.objects)
    assert "is not laid out as a break-glass table" in ran.failure["message"]
    ran = command("table", "harden", *foreign, status=2)
    assert "nothing was changed" in ran.failure["message"]
    assert ran.out == ""


def test_interrupted_repair_goes_on_with_what_is_left(
    command: Command, unprotected: str, no_settings: pytest.MonkeyPatch
) -> None:
    """Ctrl-C leaves each repair done or not done, and the next call begins there."""

    async def interrupted(
        *arguments: Any, on_repaired: Callable[[Finding], Awaitable[object]], **options: Any
    ) -> Hardening:
        async def show(finding: Finding) -> None:
            await on_repaired(finding)
            signal.raise_signal(signal.SIGINT)

        return await harden_table(*arguments, on_repaired=show, **options)

    with no_settings.context() as patch:
        patch.setattr(verbs, "harden_table", interrupted)
        # A test that was started in the background ignores Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            ran = command("table", "harden", status=130)
        finally:
            signal.signal(signal.SIGINT, before)
    assert ran.out == f"repaired: table {unprotected}: deletion protection\n"
    assert "Repeat the command: it goes on with what is left." in ran.err
    ran = command("table", "harden", status=0)
    assert ran.out == (
        f"repaired: table {unprotected}: point-in-time recovery\nnothing is wrong\n"
    )


@pytest.mark.slow
def test_person_at_a_terminal_agrees_to_a_repair(command: Command, unprotected: str) -> None:
    """The plan is shown first, with commands that can be copied from a narrow terminal."""
    fix = f"aws dynamodb update-table --region {REGION} --table-name {unprotected}"
    with Terminal("table", "harden", columns=60) as terminal:
        terminal.read_until("Repair this? [y/N]: ")
        assert f"{fix} --deletion-protection-enabled\n" in terminal.text
        terminal.type("n")
        assert terminal.wait() == 1
        assert terminal.text.endswith("Nothing was changed.\n")
    with Terminal("table", "harden", columns=60) as terminal:
        terminal.read_until("Repair this? [y/N]: ")
        terminal.type("y")
        assert terminal.wait() == 0
        assert terminal.text.count("repaired: ") == 2
        assert terminal.text.endswith("nothing is wrong\n")
    ran = command("table", "harden", "--yes", status=0)
    assert ran.out == "nothing is wrong\n"


@pytest.mark.slow
def test_template_can_be_sent_to_a_file(no_settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The text alone goes to standard output, and needs neither a region nor credentials."""
    file = tmp_path / "table.tf"
    with file.open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "aiobreakglass", *("table", "terraform", "--table", ARN)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            check=True,
        )
    assert file.read_text(encoding="utf-8") == terraform_configuration("break-glass")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("cloudformation", cloudformation_template("break-glass")),
        (
            "cloudformation --no-deletion-protection --stream keys_only",
            cloudformation_template("break-glass", deletion_protection=False, stream="KEYS_ONLY"),
        ),
        (
            f"terraform --no-point-in-time-recovery --kms-key {KEY}",
            terraform_configuration("break-glass", point_in_time_recovery=False, kms_key=KEY),
        ),
        ("alarms", alarms_template("break-glass")),
        ("policy Asks", iam_policy("asks", ARN)),
    ],
)
def test_text_is_that_of_the_library(
    command: Command, no_settings: pytest.MonkeyPatch, line: str, text: str
) -> None:
    """Nothing is added, and no server is asked."""
    no_settings.setenv("AIOBREAKGLASS_TABLE", ARN)
    ran = command("table", *shlex.split(line), status=0)
    assert (ran.out, ran.err) == (text, "")
    assert command("table", *shlex.split(line), "--json").objects == [{"text": text}]
