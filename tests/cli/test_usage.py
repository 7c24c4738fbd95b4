"""Mistakes on the command line: each is status 2, and names what is wrong."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from datetime import timedelta

import pytest

import aiobreakglass
from aiobreakglass._domain.event import utc_now
from aiobreakglass.cli import app, invocation, main
from aiobreakglass.cli.output import Output
from aiobreakglass.testing import make_event
from tests.cli.running import Command

ID = "e5ee23033c0b4ce7"
WHY = "The primary database does not answer"


@pytest.fixture(autouse=True)
def nowhere(no_settings: pytest.MonkeyPatch) -> None:
    """Settings with which a request would fail: a mistake is found before one is sent."""
    no_settings.setenv("AIOBREAKGLASS_TABLE", "break-glass")
    no_settings.setenv("AIOBREAKGLASS_REGION", "us-east-1")
    no_settings.setenv("AIOBREAKGLASS_ENDPOINT_URL", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("opne prod", "No such command 'opne'. Did you mean 'open'?"),
        ("check alice", "Missing argument 'PROFILE'"),
        ("check alice prod --tabel x", "No such option: --tabel"),
        ("check alice", "See: aiobreakglass check --help"),
        ("open", "PROFILE is missing, and nobody is there to be asked"),
        ("open prod --invoker a --reason-code fun", "'fun' is not one of 'incident'"),
        ("open prod --invoker a --reason-code other", "--justification is missing"),
        ("open prod --invoker a --justification x", "--reason-code is missing"),
        (
            "open prod --invoker a --reason-code other --justification short",
            "--justification must have 20 to 1000",
        ),
        ("open prod --for 1", "--for must be a duration with units"),
        # These are found before a person would be asked for the profile.
        ("open --for 5h", "duration: must be longer than 0"),
        ("open --request-id ''", "request_id: must have 1 to 256 characters"),
        ("open --label A=1", "labels: must have keys of 1 to 63"),
        ("open --label ticket", "--label must be KEY=VALUE"),
        ("open --label a=1 --label a=2", "--label 'a' is given twice"),
        ("open prod --invoker -", "--invoker must be a name; - reads only texts"),
        ("close", "Missing argument 'ID'"),
        (f"close {ID} --by bob", "--reason is missing"),
        ("close 42", "must be exactly 16 lowercase"),
        (f"close {ID} --by - --reason Over", "--closed-by must be a name; - reads only texts"),
        (f"extend {ID} --by bob --reason x", "--for is missing"),
        (f"extend {ID} --for 1x --by bob --reason x", "--for must be a duration"),
        (f"extend {ID} --for - --by bob --reason x", "--for must be a duration"),
        ("extend 42", "must be exactly 16 lowercase"),
        ("show 42", "Invalid value for 'ID': must be exactly 16 lowercase"),
        ("history 42", "must be exactly 16 lowercase"),
        ("list --invoker a --profile b", "one of --invoker and --profile is enough"),
        ("list --limit 0", "Input should be greater than or equal to 1"),
        ("list --since yesterday", "--since must be a time such as"),
        ("list --status open", "'open' is not one of 'active'"),
        ("at tomorrow", "TIME must be a time such as"),
        ("at 9999-01-01", "at must not be in the future"),
        ("timeline --since 9999-01-01", "--since must be in the past"),
        (f"review {ID} --by bob --comment x", "--outcome is missing"),
        (f"review {ID} --by bob --outcome fine --comment x", "'fine' is not one of 'justified'"),
        ("review 42", "must be exactly 16 lowercase"),
        ("hold 42", "must be exactly 16 lowercase"),
        (f"hold {ID} --by bob", "--reason is missing"),
        ("release 42", "must be exactly 16 lowercase"),
        (f"release {ID} --by bob", "--reason is missing"),
        ("export", "Missing argument 'FOLDER'"),
        ("export x --format xml", "'xml' is not one of 'jsonl'"),
        (f"verify {ID} --against pyproject.toml", "an ID and --against are two questions"),
        (f"verify {ID} --checkpoint x", "--checkpoint is for verifying every history"),
        ("verify 42", "event_id must be exactly 16"),
        ("verify --against nowhere.json", "file 'nowhere.json' does not exist"),
        ("verify --against .", "file '.' is a directory"),
        ("timeline --settings .", "the settings in . cannot be read: Is a directory"),
        ("audit --segments 65", "Input should be less than or equal to 64"),
        ("table", "Missing command. See: aiobreakglass table --help"),
        ("table create --timeout soon", "--timeout must be a duration"),
        ("table verify --kms-key alias/x", "kms_key must be the ARN of a KMS key, not an alias"),
        ("table verify --stream all", "'all' is not one of 'keys_only'"),
        ("table harden --timeout soon", "--timeout must be a duration"),
        ("table harden --table arn:x", "table_name must be 3 to 255"),
        ("table terraform --kms-key alias/x", "kms_key must be the ARN of a KMS key"),
        ("table alarms --table x", "table_name must be 3 to 255"),
        ("table policy", "Missing argument 'ROLE'"),
        ("table policy rules", "'rules' is not one of 'asks'"),
        ("demo --json", "demo is for people"),
        ("expire --settings nowhere.toml", "the settings in nowhere.toml cannot be read"),
        ("expire --aws-profile nobody", "the AWS profile 'nobody' is in no AWS settings file"),
        ("check alice prod --endpoint-url nonsense", "endpoint_url, here or as AWS_ENDPOINT_URL"),
        ("check alice prod --table x", "table_name must be 3 to 255"),
        ("check alice prod --table ''", "--table must not be empty"),
        ("check alice prod --region ''", "--region must not be empty"),
        ("check alice ' prod'", "profile must not begin or end with white space"),
    ],
)
def test_mistake_is_named(command: Command, line: str, reason: str) -> None:
    """Nothing is sent, nothing is guessed, and the message names the argument and its rule."""
    ran = command(*shlex.split(line))
    assert ran.status == 2
    assert reason in " ".join(ran.err.split())
    assert ran.out == ""


def test_mistake_is_an_object_for_programs(command: Command) -> None:
    """Also if the options could not be read."""
    for line in ("check alice --json", "verify 42 --json", "--json list --limit 0"):
        ran = command(*line.split())
        assert (ran.status, ran.failure["status"], ran.out) == (2, 2, "")


def test_command_without_a_verb_shows_its_help(command: Command) -> None:
    ran = command()
    assert ran.status == 2
    assert "Usage: aiobreakglass" in ran.out
    assert "timeline" in ran.out


def test_unnamed_table_is_wrong_use(command: Command, no_settings: pytest.MonkeyPatch) -> None:
    """No default table: a wrong one would answer "no"."""
    no_settings.delenv("AIOBREAKGLASS_TABLE")
    ran = command("check", "alice", "prod")
    assert (ran.status, ran.out) == (2, "")
    assert "no table is named" in ran.err


def test_unreachable_table_is_no_answer(command: Command, no_settings: pytest.MonkeyPatch) -> None:
    """Nobody may take a broken connection for "no access"."""

    async def unreachable(*_: object) -> None:
        raise aiobreakglass.StoreUnavailableError("DynamoDB could not be reached")

    method = "find_active_by_invoker_and_profile"
    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, method, unreachable)
    ran = command("check", "alice", "prod", "--json")
    assert (ran.status, ran.out) == (3, "")
    assert ran.failure["error"] == "StoreUnavailableError"
    assert ran.failure["outcome_unknown"] is False


def test_access_that_runs_out_on_the_way_is_none(
    command: Command, no_settings: pytest.MonkeyPatch
) -> None:
    """The answer is of the instant in which it is printed, and never "yes (0s left)"."""

    async def lapsed(*_: object) -> aiobreakglass.BreakGlassEvent:
        return make_event(created_at=utc_now() - timedelta(hours=1), duration=timedelta(hours=1))

    method = "find_active_by_invoker_and_profile"
    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, method, lapsed)
    assert command("check", "alice", "prod", status=1).out.startswith("no: alice does not hold")


def test_options_are_understood_in_front_of_the_verb_and_behind_it(command: Command) -> None:
    """The one behind the verb wins."""
    ran = command(
        "--table", "one", "--json", "check", "--table", "two", "--show-settings", "a", "b"
    )
    assert ran.status == 0
    origins = {values["setting"]: (values["value"], values["origin"]) for values in ran.objects}
    assert origins["table"] == ("two", "--table")
    assert origins["region"] == ("us-east-1", "AIOBREAKGLASS_REGION")
    assert command("--show-settings", "--table", "one").out.splitlines()[1].split() == [
        "table",
        "one",
        "--table",
    ]


def test_version_is_that_of_the_package(command: Command) -> None:
    assert command("--version").out == f"aiobreakglass {aiobreakglass.__version__}\n"


def test_crash_of_our_own_is_no_answer(command: Command, no_settings: pytest.MonkeyPatch) -> None:
    """A mistake in the command must not look like "no", and asks for a report."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a mistake")

    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, "open", broken)
    ran = command("check", "alice", "prod")
    assert (ran.status, ran.out) == (3, "")
    assert "the command itself failed: RuntimeError: a mistake" in ran.err
    assert "Traceback" in ran.err
    assert "Please report it" in ran.err
    failure = command("check", "alice", "prod", "--json", status=3).failure
    assert "RuntimeError: a mistake" in failure["traceback"]
    assert not failure["outcome_unknown"]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "aiobreakglass: interrupted\n"),
        (
            RuntimeError("a mistake"),
            3,
            "RuntimeError: a mistake\naiobreakglass: the command itself",
        ),
        (
            ModuleNotFoundError("no botocore", name="botocore"),
            3,
            "no botocore\naiobreakglass: the",
        ),
        (SystemExit(1), 3, "the command itself failed\n"),
    ],
)
def test_whatever_happens_is_not_the_answer_no(
    command: Command,
    no_settings: pytest.MonkeyPatch,
    error: BaseException,
    status: int,
    message: str,
) -> None:
    """Python would end the process with status 1 if anything came out of the command."""

    def broken() -> None:
        raise error

    no_settings.setattr(app, "_flush", broken)
    ran = command("--version")
    assert ran.status == status
    assert message in ran.err


def test_process_without_streams_answers_by_its_status(no_settings: pytest.MonkeyPatch) -> None:
    """A service may have closed them, and `>&-` does; the status is what it asks for."""
    for name in ("stdin", "stdout", "stderr"):
        no_settings.setattr(sys, name, None)
    assert main(["check", "a", "b", "--show-settings"]) == 0
    assert main(["check", "a", "b", "--table", ""]) == 2
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_lost_answer_of_an_opening_names_the_event(
    command: Command, no_settings: pytest.MonkeyPatch
) -> None:
    """If nobody can know whether access was opened, the id says what to look for."""

    async def lost(*_: object, **__: object) -> None:
        raise aiobreakglass.StoreUnavailableError("the connection was lost", True)

    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, "create", lost)
    why = ("--justification", "The primary database does not answer")
    ran = command(
        "open", "prod", "--invoker", "alice", "--reason-code", "incident", *why, "--json"
    )
    assert (ran.status, ran.out) == (3, "")
    assert ran.failure["outcome_unknown"] is True
    (event_id,) = ran.failure["event_ids"]
    assert f"If it was written, it is event {event_id}." in ran.failure["advice"]


OPEN = ("open", "prod", "--invoker", "alice", "--reason-code", "incident", "--justification", WHY)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_interrupted_opening_says_what_may_have_been_written(
    command: Command, no_settings: pytest.MonkeyPatch, moment: str
) -> None:
    """Before the write nothing was written; from then on the id says what to look for."""
    store = aiobreakglass.InMemoryStore()

    async def create(_: object, event: aiobreakglass.BreakGlassEvent) -> object:
        if moment == "during":
            raise KeyboardInterrupt
        return await store.create(event)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, "create", create)
    method = {"before": "note", "during": "event", "after": "objects"}[moment]
    no_settings.setattr(Output, method, interrupted)
    ran = command(*OPEN, status=130)
    events = asyncio.run(store.list_by_invoker("alice"))
    assert len(events) == (moment == "after")
    if moment == "before":
        assert ran.err == "aiobreakglass: interrupted; nothing was written\n"
    else:
        assert "interrupted; a write that was under way may have happened" in ran.err
        assert re.search("event [0-9a-f]{16}. Look before you repeat it", ran.err)
    for event in events:
        assert f"aiobreakglass show {event.id}\n" in ran.err


def test_waiting_for_sts_says_so(command: Command, no_settings: pytest.MonkeyPatch) -> None:
    """STS may take seconds, and nobody should sit before a dark screen."""
    shown: list[str] = []
    working = Output.working

    def seen(output: Output, what: str) -> object:
        shown.append(what)
        return working(output, what)

    async def caller_arn(*_: object) -> str:
        assert shown == ["Asking STS who you are"]
        return "arn:aws:sts::123456789012:assumed-role/Admin/root"

    async def create(_: object, event: aiobreakglass.BreakGlassEvent) -> object:
        return event

    no_settings.setattr(Output, "working", seen)
    no_settings.setattr(invocation, "caller_arn", caller_arn)
    no_settings.setattr(aiobreakglass.AsyncDynamoDBStore, "create", create)
    ran = command("open", "prod", *OPEN[4:], status=0)
    assert ran.err == "Recording that root opens prod for 1h.\n"
    assert shown == ["Asking STS who you are", "Opening"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_gets_its_completion(
    command: Command, no_settings: pytest.MonkeyPatch, shell: str
) -> None:
    no_settings.setenv("_AIOBREAKGLASS_COMPLETE", f"source_{shell}")
    ran = command(status=0)
    assert f"_AIOBREAKGLASS_COMPLETE=complete_{shell}" in ran.out


def test_shell_without_completion_is_not_the_answer_no(
    command: Command, no_settings: pytest.MonkeyPatch
) -> None:
    """The framework ends such a process with status 1."""
    no_settings.setenv("_AIOBREAKGLASS_COMPLETE", "source_tcsh")
    assert "not supported" in command(status=3).err


def test_shell_completes_verbs(command: Command, no_settings: pytest.MonkeyPatch) -> None:
    no_settings.setenv("_AIOBREAKGLASS_COMPLETE", "complete_bash")
    no_settings.setenv("COMP_WORDS", "aiobreakglass ti")
    no_settings.setenv("COMP_CWORD", "1")
    ran = command()
    assert (ran.status, ran.out.split()) == (0, ["timeline"])


def test_missing_extra_says_what_to_install(
    command: Command, no_settings: pytest.MonkeyPatch
) -> None:
    no_settings.setitem(sys.modules, "typer", None)
    no_settings.delitem(sys.modules, "aiobreakglass.cli.app", raising=False)
    ran = command("check", "alice", "prod")
    assert (ran.status, ran.out) == (2, "")
    assert "pip install 'aiobreakglass[cli]'" in ran.err


def test_demonstration_without_moto_says_what_to_install(
    command: Command, no_settings: pytest.MonkeyPatch
) -> None:
    no_settings.setitem(sys.modules, "moto.moto_server.werkzeug_app", None)
    ran = command("demo", status=2)
    assert "pip install 'aiobreakglass[cli,testing]'" in ran.err
