"""Exceptions: their tree, their attributes, and their messages."""

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
    def test_drawing_matches_the_exceptions(self) -> None:
        """The drawing in the module's docstring shows every exception and its extra bases."""
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

    def test_every_exception_is_tested_here(self) -> None:
        """The tests below cover every exception of the tree."""
        ours = {
            error
            for error in BreakGlassError.__subclasses__()
            # Other tests define their own subclasses.
            if error.__module__.startswith("aiobreakglass.")
        }
        assert {type(error) for error, _, _ in ERRORS} == ours

    def test_event_not_found_is_a_lookup_error(self) -> None:
        """`EventNotFoundError` can be caught as a `LookupError`."""
        assert isinstance(EventNotFoundError(ID), LookupError)


class TestError:
    @each_error
    def test_attributes_tell_what_happened(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """The attributes tell a program what happened, and to which event."""
        assert {name: getattr(error, name) for name in attributes} == attributes

    @each_error
    def test_message_says_what_to_do_without_secrets(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """The message says what was wrong and what to do, and contains no justification."""
        for part in told:
            assert part in str(error)
        assert "hunter2" not in str(error)

    @each_error
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_error_survives_pickling(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str], protocol: int
    ) -> None:
        """Pickling keeps the error's type, attributes and message."""
        twin = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
        assert type(twin) is type(error)
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)
        assert {name: getattr(twin, name) for name in attributes} == attributes

    @each_error
    def test_args_rebuild_the_error_through_json(
        self, error: BreakGlassError, attributes: dict[str, Any], told: list[str]
    ) -> None:
        """The `args` are plain values without a justification, and rebuild the error."""
        written = json.dumps(error.args)
        assert "hunter2" not in written
        for args in (error.args, json.loads(written)):
            twin = type(error)(*args)
            assert type(twin) is type(error)
            assert str(twin) == str(error)
            assert "hunter2" not in repr(twin)

    def test_error_rebuilt_from_args_has_no_event(self) -> None:
        """An error that was rebuilt from its args has lost its event, and says so."""
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

    def test_split_keeps_the_marked_events(self) -> None:
        """A part of a split group keeps the events that were marked."""
        corrupt, rest = self.ERROR.split(CorruptItemError)
        assert corrupt is not None
        assert rest is not None
        assert (corrupt.exceptions, rest.exceptions) == (self.FAILURES[:1], self.FAILURES[1:])
        assert vars(corrupt) == vars(rest) == {"expired": (EVENT,)}

    def test_pickling_keeps_the_error_of_each_row(self) -> None:
        """Pickling keeps the error of each row."""
        twin = pickle.loads(pickle.dumps(self.ERROR))  # noqa: S301
        assert [type(error) for error in twin.exceptions] == [CorruptItemError, ItemTooLargeError]
        assert twin.expired == (EVENT,)
