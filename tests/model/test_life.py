"""Events as values: comparison, time, and endings."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, InvalidStateTransitionError
from aiobreakglass.testing import make_event
from tests.strategies import events

from .example import CLOSING, CREATED_AT, EXPIRES_AT, HOUR, MICROSECOND, NAIVE, event


class TestEvent:
    def test_event_cannot_be_changed(self) -> None:
        """An event is a value that nobody can change."""
        held = event()
        with pytest.raises(ValidationError, match="frozen"):
            held.status = BreakGlassStatus.CLOSED
        with pytest.raises(ValidationError, match="frozen"):
            del held.status
        with pytest.raises(ValidationError):
            held.colour = "red"  # type: ignore[attr-defined]
        assert held == event(id=held.id)

    @given(event=events())
    def test_events_are_equal_if_all_fields_are(self, event: BreakGlassEvent) -> None:
        """Events are equal if all their fields are, and can be members of sets."""
        twin = BreakGlassEvent(**event.model_dump())
        assert twin == event
        assert len({twin, event}) == 1
        assert twin.model_copy(update={"id": "0" * 15 + "z"}) != event

    @given(event=events())
    def test_event_survives_json(self, event: BreakGlassEvent) -> None:
        """An event is the same after a round trip through JSON."""
        assert BreakGlassEvent.model_validate_json(event.model_dump_json()) == event

    @given(event=events())
    def test_validation_keeps_a_valid_event(self, event: BreakGlassEvent) -> None:
        """A valid event passes its own rules unchanged."""
        assert BreakGlassEvent.model_validate(event) == event

    def test_validation_checks_a_changed_copy(self) -> None:
        """Validating a copy checks what `model_copy` did not."""
        copy = event().model_copy(update={"invoker": ""})
        with pytest.raises(ValidationError, match="invoker"):
            BreakGlassEvent.model_validate(copy)


class TestStatus:
    def test_only_active_can_become_closed_or_expired(self) -> None:
        """Closed and expired are terminal, and only active can become either."""
        active, closed, expired = BreakGlassStatus
        assert [status.is_terminal for status in BreakGlassStatus] == [False, True, True]
        possible = {
            (old, new)
            for old, new in product(BreakGlassStatus, repeat=2)
            if old.can_transition_to(new)
        }
        assert possible == {(active, closed), (active, expired)}


class TestTime:
    @pytest.mark.parametrize(
        ("at", "active", "remaining"),
        [
            pytest.param(CREATED_AT - HOUR, True, 2 * HOUR, id="before creation"),
            pytest.param(CREATED_AT, True, HOUR, id="at creation"),
            pytest.param(EXPIRES_AT - MICROSECOND, True, MICROSECOND, id="just in time"),
            pytest.param(EXPIRES_AT, False, 0 * HOUR, id="at the boundary"),
            pytest.param(EXPIRES_AT + HOUR, False, 0 * HOUR, id="afterwards"),
            pytest.param(
                EXPIRES_AT.astimezone(timezone(-HOUR)), False, 0 * HOUR, id="in another zone"
            ),
        ],
    )
    def test_active_event_grants_access_until_it_lapses(
        self, at: datetime, active: bool, remaining: timedelta
    ) -> None:
        """Access lasts until `expires_at`, the first instant without it."""
        held = event()
        assert held.is_active(at) is active
        assert held.is_lapsed(at) is not active
        assert held.remaining(at) == remaining

    @pytest.mark.parametrize("fields", [CLOSING, {"status": "expired"}])
    @pytest.mark.parametrize("at", [CREATED_AT, EXPIRES_AT])
    def test_terminal_event_grants_no_access(self, fields: dict[str, Any], at: datetime) -> None:
        """An event that has ended grants no access, and does not count as lapsed."""
        ended = event(**fields)
        assert not ended.is_active(at)
        assert not ended.is_lapsed(at)
        assert ended.remaining(at) == timedelta(0)

    def test_instant_defaults_to_the_present(self) -> None:
        """Without an instant, the methods use the present."""
        fresh, past = make_event(), event()
        assert fresh.is_active()
        assert not fresh.is_lapsed()
        assert HOUR - timedelta(minutes=10) < fresh.remaining() <= HOUR
        assert past.is_lapsed()
        assert not past.is_active()
        assert past.remaining() == timedelta(0)
        assert fresh.close(closed_by="bob", closed_reason="Over").status == "closed"
        assert past.expire().status == "expired"

    @pytest.mark.parametrize(
        ("at", "error"),
        [(NAIVE, ValueError), (1709294400, TypeError), ("2024-03-01T12:00:00Z", TypeError)],
    )
    def test_methods_refuse_a_non_instant(self, at: Any, error: type[Exception]) -> None:
        """Every method that takes an instant refuses other values."""
        held = event()
        for ask in (held.is_active, held.is_lapsed, held.remaining, held.expire):
            with pytest.raises(error, match=r"\bat must be\b"):
                ask(at)
        with pytest.raises(error, match=r"\bat must be\b"):
            held.close(closed_by="bob", closed_reason="Over", at=at)


class TestEnding:
    def test_close_sets_who_and_why(self) -> None:
        """Closing sets who and why; the store sets the version."""
        held = event(request_id="c0ffee")
        closed = held.close(closed_by="bob", closed_reason=" Over ", at=EXPIRES_AT - MICROSECOND)
        assert closed == event(id=held.id, request_id="c0ffee", **CLOSING)
        assert held.status is BreakGlassStatus.ACTIVE

    def test_expire_sets_only_the_status(self) -> None:
        """Expiring sets the status and nothing else."""
        held = event()
        assert held.expire(at=EXPIRES_AT) == event(id=held.id, status="expired")

    @pytest.mark.parametrize(
        ("field", "value"), [("closed_by", " bob"), ("closed_by", ""), ("closed_reason", " ")]
    )
    def test_close_checks_who_and_why(self, field: str, value: str) -> None:
        """Who closes and why must follow the rules of their fields."""
        closing = {"closed_by": "bob", "closed_reason": "Over", field: value}
        with pytest.raises(ValidationError, match=field):
            event().close(**closing, at=CREATED_AT)

    def test_close_of_lapsed_event_is_refused(self) -> None:
        """From `expires_at` on, an event cannot be closed and counts as expired."""
        held = event()
        with pytest.raises(InvalidStateTransitionError, match="lapsed") as refusal:
            held.close(closed_by="bob", closed_reason="Over", at=EXPIRES_AT)
        assert refusal.value.event_id == held.id
        assert (refusal.value.current_status, refusal.value.new_status) == ("expired", "closed")

    def test_expire_of_running_event_is_refused(self) -> None:
        """An event cannot expire before `expires_at`, and the error says how long it runs."""
        held = event()
        with pytest.raises(InvalidStateTransitionError, match="2024-03-01T13:00:00") as refusal:
            held.expire(at=EXPIRES_AT - MICROSECOND)
        assert refusal.value.event_id == held.id
        assert (refusal.value.current_status, refusal.value.new_status) == ("active", "expired")

    @pytest.mark.parametrize("fields", [CLOSING, {"status": "expired"}])
    def test_terminal_event_cannot_end_again(self, fields: dict[str, Any]) -> None:
        """A terminal event never changes, before or after `expires_at`."""
        ended = event(**fields)
        for at in (CREATED_AT, EXPIRES_AT):
            with pytest.raises(InvalidStateTransitionError, match="never changes") as refusal:
                ended.close(closed_by="carol", closed_reason="Over and over", at=at)
            assert (refusal.value.current_status, refusal.value.new_status) == (
                ended.status,
                "closed",
            )
            with pytest.raises(InvalidStateTransitionError, match="never changes") as refusal:
                ended.expire(at=at)
            assert (refusal.value.current_status, refusal.value.new_status) == (
                ended.status,
                "expired",
            )
