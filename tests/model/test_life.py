"""Events as values: comparison, time, and endings."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any, ClassVar

import pytest
from hypothesis import given
from pydantic import ValidationError

from aiobreakglass import BreakGlassEvent, BreakGlassStatus, InvalidStateTransitionError
from aiobreakglass.testing import make_event
from tests.strategies import events

from .example import CLOSING, CREATED_AT, EXPIRES_AT, HOLD, HOUR, MICROSECOND, NAIVE, event


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
        assert closed == event(
            id=held.id, request_id="c0ffee", **CLOSING, ended_at=EXPIRES_AT - MICROSECOND
        )
        assert held.status is BreakGlassStatus.ACTIVE

    def test_expire_sets_the_status_and_the_end(self) -> None:
        """Expiring sets the status and when access ended, which is `expires_at`."""
        held = event()
        expired = held.expire(at=EXPIRES_AT + HOUR)
        assert expired == event(id=held.id, status="expired", ended_at=EXPIRES_AT)

    @pytest.mark.parametrize("at", [CREATED_AT - HOUR, CREATED_AT])
    def test_close_is_never_before_creation(self, at: datetime) -> None:
        """A clock that is behind closes the event at `created_at`."""
        assert event().close(closed_by="bob", closed_reason="Over", at=at).ended_at == CREATED_AT

    @pytest.mark.parametrize(
        ("fields", "ended_at"),
        [
            (CLOSING, CREATED_AT),
            (CLOSING | {"updated_at": CREATED_AT + HOUR / 2}, CREATED_AT + HOUR / 2),
            (CLOSING | {"updated_at": EXPIRES_AT + HOUR}, EXPIRES_AT),
            ({"status": "expired"}, EXPIRES_AT),
            ({"status": "expired", "updated_at": EXPIRES_AT + HOUR}, EXPIRES_AT),
            ({}, None),
        ],
    )
    def test_end_follows_from_an_older_events_fields(
        self, fields: dict[str, Any], ended_at: datetime | None
    ) -> None:
        """An event from before `ended_at` ended when it was closed, or at `expires_at`."""
        assert event(**fields).ended_at == ended_at
        assert event(**fields, ended_at=None).ended_at == ended_at

    @pytest.mark.parametrize("ending", ["close", "expire"])
    def test_ending_keeps_all_other_fields(self, ending: str) -> None:
        """An ending keeps labels, extensions and a hold."""
        kept: dict[str, Any] = {"labels": {"ticket": "OPS-7"}, "extensions": 2, **HOLD}
        held = event(**kept)
        if ending == "close":
            ended = held.close(closed_by="bob", closed_reason="Over", at=CREATED_AT)
        else:
            ended = held.expire(at=EXPIRES_AT)
        assert {field: getattr(ended, field) for field in kept} == kept


class TestLabels:
    LABELS: ClassVar = {"ticket": "OPS-7", "team": "db"}

    def test_labels_cannot_be_changed(self) -> None:
        """Labels are part of a value, so they have no methods that change them."""
        given = dict(self.LABELS)
        labels = event(labels=given).labels
        given["team"] = "web"
        assert labels == self.LABELS
        with pytest.raises(TypeError):
            labels["team"] = "web"  # type: ignore[index]

    def test_labels_are_a_mapping(self) -> None:
        """Labels are read as any mapping, in any order."""
        labels = event(labels=self.LABELS).labels
        assert {**labels} == self.LABELS
        assert labels["team"] == "db"
        assert len(labels) == 2
        assert repr(labels) == repr(self.LABELS)
        backwards = dict(reversed(self.LABELS.items()))
        one, other = event(id="0" * 16, labels=self.LABELS), event(id="0" * 16, labels=backwards)
        assert one == other
        assert hash(one) == hash(other)

    def test_labels_survive_pickling_and_copying(self) -> None:
        """An event with labels can go to another process."""
        held = event(labels=self.LABELS)
        for copied in (pickle.loads(pickle.dumps(held)), copy.deepcopy(held)):  # noqa: S301 - what was pickled here
            assert copied == held
            assert copied.labels == self.LABELS

    def test_labels_can_come_from_json_and_from_another_event(self) -> None:
        """JSON and any mapping give labels."""
        held = event(labels=self.LABELS)
        assert held.model_dump()["labels"] == self.LABELS
        assert json.loads(held.model_dump_json())["labels"] == self.LABELS
        assert event(labels=held.labels).labels == self.LABELS

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
