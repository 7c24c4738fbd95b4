"""Exceptions: the tree, what each tells the program, and what each tells its reader."""

from __future__ import annotations

import inspect
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
    BreakGlassStatus,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass._domain import errors
from aiobreakglass.testing import make_event

ID = "0123456789abcdef"
EVENT = make_event(
    id=ID, justification="hunter2 hunter2 hunter2", created_at=datetime(2024, 3, 1, 12, tzinfo=UTC)
)
ACTIVE, CLOSED, EXPIRED = BreakGlassStatus

ERRORS: list[tuple[BreakGlassError, dict[str, Any], list[str]]] = [
    (EventNotFoundError(ID), {"event_id": ID}, [ID, "deleted", "retention"]),
    (EventExistsError(ID), {"event_id": ID}, [ID, "is taken", "create a new event"]),
    (
        ActiveEventExistsError(EVENT),
        {"event": EVENT},
        [ID, "'alice'", "'prod'", "2024-03-01T13:00:00", "close it first"],
    ),
    (
        ConcurrentModificationError(ID, EVENT),
        {"event_id": ID, "current": EVENT},
        [ID, "get it again"],
    ),
    (
        ConcurrentModificationError(ID),
        {"event_id": ID, "current": None},
        [ID, "get it again"],
    ),
    (
        InvalidStateTransitionError(ID, CLOSED, ACTIVE),
        {"event_id": ID, "current_status": CLOSED, "new_status": ACTIVE},
        [ID, "is closed", "cannot become active", "never changes"],
    ),
    (
        InvalidStateTransitionError(ID, ACTIVE, EXPIRED, "it runs until noon"),
        {"event_id": ID, "current_status": ACTIVE, "new_status": EXPIRED},
        [ID, "is active", "cannot become expired", "it runs until noon"],
    ),
    (
        ImmutableFieldError(ID, "justification"),
        {"event_id": ID, "field": "justification"},
        [ID, "justification", "open a new event"],
    ),
    (
        CorruptItemError(f"BREAKGLASS#{ID}", "duration is missing"),
        {"key": f"BREAKGLASS#{ID}", "reason": "duration is missing"},
        [f"BREAKGLASS#{ID}", "duration is missing", "mend or delete it"],
    ),
    (
        ItemTooLargeError(f"BREAKGLASS#{ID}"),
        {"key": f"BREAKGLASS#{ID}"},
        [f"BREAKGLASS#{ID}", "400 KB", "remove the attributes"],
    ),
    (
        ExpiryError("1 row failed", [CorruptItemError(f"BREAKGLASS#{ID}", "bad")], [EVENT]),
        {"message": "1 row failed", "expired": (EVENT,)},
        ["1 row failed"],
    ),
    (TableError("table 'ops' has no index"), {}, ["table 'ops' has no index"]),
    (
        StoreUnavailableError("no answer within 10 s"),
        {"outcome_unknown": False},
        ["no answer within 10 s"],
    ),
    (
        StoreUnavailableError("no answer within 10 s", outcome_unknown=True),
        {"outcome_unknown": True},
        ["no answer within 10 s", "may have happened", "look before you repeat"],
    ),
]

each_error = pytest.mark.parametrize(
    ("error", "attributes", "told"), ERRORS, ids=[type(error).__name__ for error, _, _ in ERRORS]
)


class TestTree:
    def test_as_drawn(self) -> None:
        """The drawing at the top of the module names every exception and its further bases."""
        drawn = set()
        for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
            if "-- " in line:
                name, _, bases = line.partition("-- ")[2].partition(" (")
                drawn.add((name, "BreakGlassError", *filter(None, [bases.rstrip(")")])))
        built = {
            (error.__name__, *(base.__name__ for base in error.__bases__))
            for error in vars(errors).values()
            if inspect.isclass(error) and issubclass(error, BreakGlassError)
        }
        assert built - drawn == {("BreakGlassError", "Exception")}
        assert drawn <= built

    def test_of_what_is_tried_here(self) -> None:
        """Every exception of the tree is tried by the tests below."""
        ours = {
            error
            for error in BreakGlassError.__subclasses__()
            # Other tests have subclasses of their own.
            if error.__module__.startswith("aiobreakglass.")
        }
        assert {type(error) for error, _, _ in ERRORS} == ours

    def test_where_an_event_is_looked_up(self) -> None:
        """What was not found can be caught in Python's own words."""
        assert isinstance(EventNotFoundError(ID), LookupError)


class TestError:
    @each_error
    def test_that_is_caught(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """Its attributes tell the program what happened to which event."""
        assert {name: getattr(error, name) for name in attributes} == attributes

    @each_error
    def test_that_is_read(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """Its message says what was wrong and what to do, and no justification."""
        for part in told:
            assert part in str(error)
        assert "hunter2" not in str(error)

    @each_error
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_that_travels_between_processes(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str], protocol: int
    ) -> None:
        """Pickling keeps its type, its attributes and its message."""
        twin = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)
        assert {name: getattr(twin, name) for name in attributes} == attributes

    @each_error
    def test_that_a_task_queue_writes_as_json(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """Its `args` are plain values without a justification, and rebuild it anywhere."""
        written = json.dumps(error.args)
        assert "hunter2" not in written
        for args in (error.args, json.loads(written)):
            twin = type(error)(*args)
            assert type(twin) is type(error)
            assert str(twin) == str(error)
            assert "hunter2" not in repr(twin)

    def test_that_was_rebuilt_without_its_event(self) -> None:
        """What the args cannot hold is missing by name."""
        error = ActiveEventExistsError(*ActiveEventExistsError(EVENT).args)
        with pytest.raises(AttributeError, match="rebuilt from its args"):
            _ = error.event
        assert (
            ConcurrentModificationError(*ConcurrentModificationError(ID, EVENT).args).current
            is None
        )


class TestExpiryError:
    FAILURES = (CorruptItemError("A", "bad"), ItemTooLargeError("B"))
    ERROR = ExpiryError("2 rows failed", FAILURES, [EVENT])

    def test_that_is_split(self) -> None:
        """A part of a group keeps the events that were marked."""
        corrupt, rest = self.ERROR.split(CorruptItemError)
        assert corrupt is not None
        assert rest is not None
        assert (corrupt.exceptions, rest.exceptions) == (self.FAILURES[:1], self.FAILURES[1:])
        assert vars(corrupt) == vars(rest) == {"expired": (EVENT,)}

    def test_that_travels_between_processes(self) -> None:
        """Pickling keeps what went wrong with each row."""
        twin = pickle.loads(pickle.dumps(self.ERROR))  # noqa: S301
        assert [type(error) for error in twin.exceptions] == [CorruptItemError, ItemTooLargeError]
        assert twin.expired == (EVENT,)
