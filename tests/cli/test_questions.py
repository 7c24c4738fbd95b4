"""What the command asks a store, and with which settings it opens one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiobreakglass import AsyncDynamoDBStore, InMemoryStore, Limits, TableLayout
from aiobreakglass._domain.event import utc_now
from aiobreakglass.cli.invocation import Common, Invocation
from aiobreakglass.testing import make_event
from tests.cli.running import Command

HOUR = timedelta(hours=1)


class Opened:
    """A store in memory that the command opens, and the options that it gives."""

    def __init__(self) -> None:
        self.ago = timedelta(0)
        self.store = InMemoryStore(clock=lambda: utc_now() - self.ago)
        self.name = ""
        self.options: dict[str, Any] = {}

    @asynccontextmanager
    async def open(self, name: str, **options: Any) -> AsyncIterator[InMemoryStore]:
        self.name, self.options = name, options
        yield self.store

    def add(self, invoker: str, *, ago: timedelta, duration: timedelta = 4 * HOUR) -> str:
        """Add access that was opened so long ago, and return the id of the event."""
        event = make_event(
            invoker=invoker, profile="prod", created_at=utc_now() - ago, duration=duration
        )
        self.ago = ago
        asyncio.run(self.store.create(event))
        self.ago = timedelta(0)
        return event.id


@pytest.fixture
def opened(no_settings: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    no_settings.setattr(AsyncDynamoDBStore, "open", opened.open)
    no_settings.setenv("AIOBREAKGLASS_TABLE", "break-glass")
    return opened


def ids(command: Command, line: str) -> list[str]:
    return [values["id"] for values in command(*line.split(), "--json", status=0).objects]


def test_store_has_every_setting(command: Command, opened: Opened, tmp_path: Path) -> None:
    """A store with another retention or without the limits would break the rules of the table."""
    path = tmp_path / "settings.toml"
    path.write_text(
        """
        [tool.aiobreakglass]
        region = "eu-west-1"
        endpoint_url = "http://127.0.0.1:1"
        retention = "30d"
        limits.max_duration = "2h"
        layout.guard_prefix = "HELD#"
        """,
        encoding="utf-8",
    )
    command("check", "alice", "prod", "--settings", str(path), "--table", "other", status=1)
    assert opened.name == "other"
    assert opened.options == {
        "region_name": "eu-west-1",
        "endpoint_url": "http://127.0.0.1:1",
        "session": None,
        "transport": "standard",
        "retention": timedelta(days=30),
        "limits": Limits(max_duration=timedelta(hours=2)),
        "layout": TableLayout(guard_prefix="HELD#"),
    }


def test_profile_that_signs_is_not_the_one_that_is_opened(
    command: Command, opened: Opened, no_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`--aws-profile` and `--profile` are two things, for stores and for clients."""
    config = tmp_path / "aws"
    config.write_text("[profile signs]\nregion = eu-west-3\n", encoding="utf-8")
    no_settings.setenv("AWS_CONFIG_FILE", str(config))
    command("list", "--profile", "prod", "--aws-profile", "signs", status=0)
    assert opened.options["session"].profile == "signs"

    async def region_of_client() -> str:
        async with Invocation(Common(table="break-glass", aws_profile="signs")).client() as client:
            return client.meta.region_name

    assert asyncio.run(region_of_client()) == "eu-west-3"


def test_access_from_before_the_time_is_drawn(command: Command, opened: Opened) -> None:
    """An event grants access for hours after its opening."""
    early = opened.add("alice", ago=2 * HOUR)
    opened.add("bob", ago=3 * HOUR, duration=HOUR)
    assert ids(command, "timeline --since 1h") == [early]
    drawn = command("timeline", "--since", "1h", status=0).out
    assert "alice" in drawn
    assert "bob" not in drawn


def test_question_about_an_instant_is_narrowed_by_its_options(
    command: Command, opened: Opened
) -> None:
    first, second = opened.add("alice", ago=2 * HOUR), opened.add("bob", ago=2 * HOUR)
    assert set(ids(command, "at 1h")) == {first, second}
    assert ids(command, "at 1h --invoker bob") == [second]
    assert ids(command, "at 1h --invoker bob --profile other") == []
    assert ids(command, "at 3h") == []


def test_list_is_limited_and_says_how_to_go_on(command: Command, opened: Opened) -> None:
    """The newest come first in a list, and the oldest in the queue of reviews."""
    old = opened.add("alice", ago=3 * HOUR)
    new = opened.add("bob", ago=2 * HOUR)
    assert ids(command, "list --limit 1") == [new]
    assert ids(command, "list --until 150m") == [old]
    assert ids(command, "list --since 150m") == [new]
    assert ids(command, "list --invoker alice") == [old]
    assert ids(command, "list --profile prod") == [new, old]
    assert ids(command, "list --profile other") == []
    assert ids(command, "list --status closed") == []
    assert command("list", "--limit", "2").err == ""
    assert command("list", "--limit", "1").err == "There are more: add --limit 10, or --until.\n"
    for event_id in (old, new):
        command("close", event_id, "--by", "carol", "--reason", "Over", status=0)
    assert ids(command, "list --awaiting-review --limit 1") == [old]
    ran = command("list", "--awaiting-review", "--limit", "1")
    assert ran.err == "There are more: add --limit 10, or --since.\n"


def test_request_of_an_opening_is_recorded(command: Command, opened: Opened) -> None:
    why = ("--reason-code", "incident", "--justification", "The primary database is silent")
    line = ("open", "prod", "--invoker", "alice", "--request-id", "req-7", *why, "--json")
    assert command(*line, status=0).objects[0]["request_id"] == "req-7"


@pytest.mark.parametrize(
    ("is_json", "stdin", "stderr", "is_attended"),
    [
        (False, True, True, True),
        (True, True, True, False),
        (False, False, True, False),
        (False, True, False, False),
    ],
)
def test_person_must_be_able_to_read_and_to_answer(
    no_settings: pytest.MonkeyPatch, is_json: bool, stdin: bool, stderr: bool, is_attended: bool
) -> None:
    """Otherwise a script would wait for an answer for ever."""
    no_settings.setattr("sys.stdin.isatty", lambda: stdin, raising=False)
    no_settings.setattr("sys.stderr.isatty", lambda: stderr, raising=False)
    assert Invocation(Common(json=is_json)).questions.is_attended is is_attended
