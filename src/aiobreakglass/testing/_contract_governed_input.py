"""Test the contract of the arguments of extensions, reviews and holds."""

from __future__ import annotations

from contextlib import suppress

import pytest

from aiobreakglass import EventNotFoundError, GovernedStore
from aiobreakglass.testing._contract_input import BAD_TYPES, BAD_VALUES, assert_refused
from aiobreakglass.testing._contract_steps import HOUR, NEVER_USED, Fields, opened
from aiobreakglass.testing._events import FakeClock

GOOD_CALLS: dict[str, Fields] = {
    "extend": {
        "event_id": NEVER_USED,
        "expires_at": FakeClock.START + HOUR,
        "extended_by": "carol",
        "reason": "Not over yet",
    },
    "review": {
        "event_id": NEVER_USED,
        "reviewed_by": "carol",
        "outcome": "justified",
        "comment": "x" * 1000,
    },
    "hold": {"event_id": NEVER_USED, "held_by": "a" * 256, "reason": "A lawsuit"},
    "release_hold": {"event_id": NEVER_USED, "released_by": "dave", "reason": "\u20ac"},
    "list_awaiting_review": {
        "limit": 1,
        "outcome": "needs_follow_up",
        "since": FakeClock.START,
        "until": FakeClock.START + HOUR,
        "cursor": None,
    },
}

_LIKE = {
    "expires_at": "since",
    "extended_by": "closed_by",
    "reviewed_by": "closed_by",
    "held_by": "closed_by",
    "released_by": "closed_by",
    "reason": "closed_reason",
    "comment": "closed_reason",
}
"""The argument of another method that follows the same rules."""

_BAD_VALUES = {**BAD_VALUES, "outcome": ("", "fine", "Justified", "justified ")}
_BAD_TYPES = {**BAD_TYPES, "outcome": (7, True, b"justified", ["justified"])}

each_method = pytest.mark.parametrize(("method", "arguments"), GOOD_CALLS.items(), ids=GOOD_CALLS)


class GovernedInputContract:
    """Wrong arguments of extensions, reviews and holds are refused before anything is done."""

    @each_method
    async def test_valid_arguments_of_governed_method_are_accepted(
        self, store: GovernedStore, method: str, arguments: Fields
    ) -> None:
        """Every argument can be passed by name, and valid values are accepted."""
        with suppress(EventNotFoundError):
            await getattr(store, method)(**arguments)

    @each_method
    async def test_invalid_argument_of_governed_method_raises_value_error(
        self, store: GovernedStore, method: str, arguments: Fields
    ) -> None:
        """A wrong value raises a `ValueError` that names the argument."""
        for argument in arguments:
            for value in _BAD_VALUES[_LIKE.get(argument, argument)]:
                await assert_refused(ValueError, store, method, arguments, argument, value)

    @each_method
    async def test_governed_argument_of_wrong_type_raises_type_error(
        self, store: GovernedStore, method: str, arguments: Fields
    ) -> None:
        """A wrong type raises a `TypeError` that names the argument; no value is converted."""
        for argument in arguments:
            for value in _BAD_TYPES[_LIKE.get(argument, argument)]:
                await assert_refused(TypeError, store, method, arguments, argument, value)

    @pytest.mark.parametrize("argument", ["expires_at", "outcome"])
    async def test_required_governed_argument_cannot_be_none(
        self, store: GovernedStore, clock: FakeClock, argument: str
    ) -> None:
        """An extension needs an end, and a review an outcome."""
        event = await opened(store, clock)
        method = "extend" if argument == "expires_at" else "review"
        arguments = {**GOOD_CALLS[method], "event_id": event.id}
        await assert_refused(TypeError, store, method, arguments, argument, None)
        assert await store.get(event.id) == event
