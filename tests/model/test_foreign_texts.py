"""Texts of other writers: accepted when an event is read, and refused when one is written."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from pydantic import BaseModel, TypeAdapter, ValidationError

from aiobreakglass import BreakGlassEvent
from aiobreakglass._domain.event import read_event
from aiobreakglass._domain.fields import reading_context
from tests.strategies import events

from .example import (
    CLOSING,
    CREATED_AT,
    EXPIRES_AT,
    HOLD,
    HOUR,
    MICROSECOND,
    NAIVE,
    REVIEW,
    event,
)
from .foreign import FOREIGN_ADDITIONS, FOREIGN_TEXTS, fields_with, foreign_event

_ALL = [*FOREIGN_TEXTS, *FOREIGN_ADDITIONS]
each_foreign_text = pytest.mark.parametrize(
    ("field", "value"), _ALL, ids=[f"{field} {ascii(value)[:20]}" for field, value in _ALL]
)


class Answer(BaseModel):
    """An application's model that contains an event."""

    event: BreakGlassEvent
    perhaps: BreakGlassEvent | None = None


class TestForeignText:
    @each_foreign_text
    def test_foreign_text_is_read_unchanged(self, field: str, value: object) -> None:
        """A text that breaks a rule for writing is evidence, so it is read unchanged."""
        assert getattr(foreign_event(field, value), field) == value

    @each_foreign_text
    def test_foreign_text_cannot_be_written(self, field: str, value: object) -> None:
        """A new event must follow the rules for writing."""
        with pytest.raises(ValidationError) as refusal:
            BreakGlassEvent(**fields_with(field, value))
        (error,) = refusal.value.errors()
        assert error["loc"] == (field,)

    @each_foreign_text
    def test_event_with_a_foreign_text_can_be_copied(self, field: str, value: object) -> None:
        """An event as read can be copied, pickled, and validated again."""
        read = foreign_event(field, value)
        for travelled in (
            pickle.loads(pickle.dumps(read)),  # noqa: S301 - what was pickled here
            copy.copy(read),
            copy.deepcopy(read),
            read.model_copy(),
            BreakGlassEvent.model_validate(read),
            TypeAdapter(list[BreakGlassEvent]).validate_python([read])[0],
            Answer(event=read).event,
            Answer(event=event(), perhaps=read).perhaps,
        ):
            assert travelled == read
            assert getattr(travelled, field) == value

    @each_foreign_text
    def test_foreign_text_in_json_needs_a_context(self, field: str, value: object) -> None:
        """Anybody can write JSON, so reading it by the rules for reading needs a context."""
        read = foreign_event(field, value)
        context = reading_context(BreakGlassEvent.model_fields)
        json = read.model_dump_json()
        assert BreakGlassEvent.model_validate_json(json, context=context) == read
        with pytest.raises(ValidationError, match=field):
            BreakGlassEvent.model_validate_json(json)

    @pytest.mark.parametrize(
        ("field", "value"), [pair for pair in FOREIGN_TEXTS if not pair[0].startswith("closed")]
    )
    def test_event_with_a_foreign_text_can_end(self, field: str, value: object) -> None:
        """An event can be closed and can expire, whatever its texts say."""
        read = foreign_event(field, value)
        closed = read.close(closed_by="bob", closed_reason="Over", at=CREATED_AT)
        expired = read.expire(at=EXPIRES_AT)
        assert closed == read_event({**vars(read), **CLOSING})
        assert expired == read_event({**vars(read), "status": "expired"})

    @pytest.mark.parametrize("changes", [{"closed_by": " bob"}, {"closed_reason": "\x00"}])
    def test_closing_a_foreign_event_follows_the_rules(self, changes: dict[str, str]) -> None:
        """Who closes another writer's event, and why, must follow the rules for writing."""
        closing = {"closed_by": "bob", "closed_reason": "Over", **changes}
        (field,) = changes
        with pytest.raises(ValidationError, match=field):
            foreign_event().close(**closing, at=CREATED_AT)

    @given(event=events())
    def test_valid_event_is_the_same_when_read(self, event: BreakGlassEvent) -> None:
        """An event that follows the rules for writing is the same by the rules for reading."""
        read = read_event(vars(event))
        assert (read, repr(read)) == (event, repr(event))

    def test_foreign_text_is_stripped_when_read(self) -> None:
        """A text is stripped when it is read, as when it is written."""
        read = foreign_event("justification", "  The primary\r\ndoes not answer ")
        assert read.justification == "The primary\ndoes not answer"


@pytest.mark.parametrize(
    "changes",
    [
        *({"id": value} for value in ("0" * 15, "0123456789ABCDEF", None)),
        *({field: ""} for field in ("invoker", "profile", "request_id", "mfa_method")),
        *({field: "al\ud800ice"} for field in ("invoker", "justification", "request_id")),
        *({field: 7} for field in ("invoker", "justification", "request_id", "mfa_verified")),
        {"justification": None},
        {"reason_code": "boredom"},
        {"status": "paused"},
        *({"duration": value} for value in (timedelta(0), 5 * HOUR, 3600)),
        *({"created_at": value} for value in (NAIVE, "2024-03-01T12:00:00Z", EXPIRES_AT)),
        {"updated_at": CREATED_AT - MICROSECOND},
        {"expires_at": CREATED_AT + 5 * HOUR},
        {"closed_by": "bob"},
        {"status": "closed"},
        {"mfa_verified": False, "mfa_method": "totp"},
        *({"extensions": value} for value in (-1, True, "1", None)),
        *({"labels": value} for value in (None, "x", {"team": 7}, {7: "x"}, {"team": "\ud800"})),
        {"labels": {"\ud800": "x"}},
        {"ended_at": EXPIRES_AT},
        {**CLOSING, "ended_at": EXPIRES_AT + MICROSECOND},
        {**CLOSING, **REVIEW, "review_outcome": "fine"},
        {**CLOSING, **REVIEW, "reviewed_by": "Alice"},
        {**CLOSING, **REVIEW, "reviewed_at": None},
        REVIEW,
        {**HOLD, "held_by": None},
        {"colour": "red"},
    ],
    ids=repr,
)
def test_wrong_type_time_or_status_is_refused_when_read(changes: dict[str, Any]) -> None:
    """An event with a wrong type, time or status is refused by the rules for reading too."""
    with pytest.raises(ValidationError):
        read_event({**vars(event(mfa_verified=True)), **changes})
    with pytest.raises(ValidationError):
        BreakGlassEvent.model_validate(event(mfa_verified=True).model_copy(update=changes))


async def test_fastapi_returns_an_event_with_a_foreign_text() -> None:
    """FastAPI validates its responses, and an event as read passes."""
    app = FastAPI()
    read = foreign_event()

    @app.get("/one")
    async def one() -> BreakGlassEvent:
        return read

    @app.get("/many")
    async def many() -> list[BreakGlassEvent]:
        return [event(id=read.id), read]

    @app.get("/within")
    async def within() -> Answer:
        return Answer(event=read)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        one_answer, many_answer, within_answer = [
            (await client.get(path)).json() for path in ("/one", "/many", "/within")
        ]
    expected = read.model_dump(mode="json")
    assert one_answer == many_answer[1] == within_answer["event"] == expected
