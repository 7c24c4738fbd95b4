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
    EventHeldError,
    EventNotFoundError,
    ExpiryError,
    ImmutableFieldError,
    InvalidStateTransitionError,
    ItemTooLargeError,
    LimitExceededError,
    ReviewRefusedError,
    StoreUnavailableError,
    TableError,
)
from aiobreakglass._domain import errors
from aiobreakglass.testing import make_event

ID = "0123456789abcdef"
EVENT = make_event(
    id=ID, justification="hunter2 hunter2 hunter2", created_at=datetime(2024, 3, 1, 12, tzinfo=UTC)
)
HELD = make_event(
    id=ID,
    justification="hunter2 hunter2 hunter2",
    created_at=datetime(2024, 3, 1, 12, tzinfo=UTC),
    held_by="dave",
    held_at=datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
    held_reason="hunter2 hunter2 hunter2",
)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
ACTIVE, CLOSED, EXPIRED = BreakGlassStatus

ERRORS: list[tuple[BreakGlassError, dict[str, Any], list[str]]] = [
    (EventNotFoundError(ID), {"event_id": ID}, [ID, "deleted", "retention"]),
    (EventExistsError(ID), {"event_id": ID}, [ID, "is taken", "create a new event"]),
    (
        ActiveEventExistsError(EVENT),
        {"event": EVENT},
        [ID, "'alice'", "'prod'", "2024-03-01T13:00:00", "use it, or extend it"],
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
        InvalidStateTransitionError(ID, CLOSED, CLOSED, "it is not held"),
        {"event_id": ID, "current_status": CLOSED, "new_status": CLOSED},
        [f"event {ID} is closed: it is not held"],
    ),
    (
        ImmutableFieldError(ID, "justification"),
        {"event_id": ID, "field": "justification"},
        [ID, "justification", "open a new event"],
    ),
    (
        LimitExceededError("per_profile", "'prod' may be opened 2 times within a day", NOON, [ID]),
        {"limit": "per_profile", "retry_at": NOON, "event_ids": (ID,)},
        ["per_profile", "2 times within a day", "try again at 2024-03-01T12:00:00", ID],
    ),
    (
        LimitExceededError("require_mfa", "access needs a verified second factor"),
        {"limit": "require_mfa", "retry_at": None, "event_ids": ()},
        ["require_mfa", "a verified second factor"],
    ),
    (
        ReviewRefusedError(EVENT, "is active; review it once it has ended"),
        {"event": EVENT, "reason": "is active; review it once it has ended"},
        [ID, "is active", "once it has ended"],
    ),
    (
        EventHeldError(HELD),
        {"event": HELD, "reason": "is held by 'dave'; release the hold first"},
        [ID, "'dave'", "release the hold first"],
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


def public_bases(error: type[BaseException]) -> list[str]:
    """Return the names of a class's bases, with the bases of a private one in its place."""
    return [
        name
        for base in error.__bases__
        for name in (public_bases(base) if base.__name__.startswith("_") else [base.__name__])
    ]


def public_subclasses(error: type[BreakGlassError]) -> set[type[BreakGlassError]]:
    """Return our subclasses of a class, with those of a private one in its place."""
    return {
        found
        for subclass in error.__subclasses__()
        # Other tests define their own subclasses.
        if subclass.__module__.startswith("aiobreakglass.")
        for found in (
            public_subclasses(subclass) if subclass.__name__.startswith("_") else {subclass}
        )
    }


class TestTree:
    def test_drawing_matches_the_exceptions(self) -> None:
        """The drawing in the module's docstring shows every exception and its extra bases."""
        drawn = set()
        for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
            if "-- " in line:
                name, _, bases = line.partition("-- ")[2].partition(" (")
                drawn.add((name, "BreakGlassError", *filter(None, [bases.rstrip(")")])))
        built = {
            (error.__name__, *public_bases(error))
            for name, error in vars(errors).items()
            if inspect.isclass(error) and issubclass(error, BreakGlassError) and name[0] != "_"
        }
        assert built - drawn == {("BreakGlassError", "Exception")}
        assert drawn <= built

    def test_every_exception_is_tested_here(self) -> None:
        """The tests below cover every exception of the tree."""
        assert {type(error) for error, _, _ in ERRORS} == public_subclasses(BreakGlassError)

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

    @pytest.mark.parametrize(
        "error",
        [
            ActiveEventExistsError(EVENT),
            ReviewRefusedError(EVENT, "is active"),
            EventHeldError(HELD),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_error_rebuilt_from_args_has_no_event(
        self, error: ActiveEventExistsError | ReviewRefusedError | EventHeldError
    ) -> None:
        """An error that was rebuilt from its args has lost its event, and says so."""
        twin = type(error)(*error.args)
        with pytest.raises(AttributeError, match="rebuilt from its args"):
            _ = twin.event

    def test_conflict_rebuilt_from_args_has_no_current_event(self) -> None:
        """`current` of a conflict is optional, so a rebuilt one has None."""
        error = ConcurrentModificationError(ID, EVENT)
        assert ConcurrentModificationError(*error.args).current is None

    def test_held_event_without_its_event_has_a_message(self) -> None:
        """The name of the holder is only known from the event."""
        assert str(EventHeldError(ID)) == (
            f"event {ID} is held by somebody; release the hold first"
        )

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (LimitExceededError("cooldown", "once an hour"), "cooldown: once an hour"),
            (
                LimitExceededError("cooldown", "once an hour", NOON),
                "cooldown: once an hour; try again at 2024-03-01T12:00:00+00:00",
            ),
            (
                LimitExceededError("max_unreviewed", "2 at most", None, ["a", "b"]),
                "max_unreviewed: 2 at most (events a, b)",
            ),
        ],
        ids=["rule alone", "with a time", "with events"],
    )
    def test_exceeded_limit_tells_what_it_knows(
        self, error: LimitExceededError, message: str
    ) -> None:
        """The message has the time and the events only if the limit knows them."""
        assert str(error) == message


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
