"""What a `ValidationError` says: one error for each mistake, and no value in its text."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest
from pydantic import ConfigDict, ValidationError, create_model

from aiobreakglass import BreakGlassEvent

from .example import CREATED_AT, event

SECRET = "hunter2"  # noqa: S105 - a value that no error may show
GOOD = event().model_dump(exclude={"updated_at", "expires_at"})


def write(**changes: object) -> BreakGlassEvent:
    return BreakGlassEvent(**GOOD | changes)


def assign(name: str, value: object) -> None:
    setattr(event(), name, value)


MISTAKES: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "a name": (lambda: write(invoker=f"{SECRET}\n"), ("invoker",)),
    "a name in JSON": (
        lambda: BreakGlassEvent.model_validate_json(
            event(invoker="eve").model_dump_json().replace("eve", f" {SECRET}")
        ),
        ("invoker",),
    ),
    "a text": (lambda: write(justification=SECRET), ("justification",)),
    "a type": (lambda: write(profile=[SECRET]), ("profile",)),
    "a time": (lambda: write(created_at=SECRET), ("created_at",)),
    "a duration": (lambda: write(duration=SECRET), ("duration",)),
    "a code": (lambda: write(reason_code=SECRET), ("reason_code",)),
    "a status": (lambda: write(status=SECRET), ("status",)),
    "a flag": (lambda: write(mfa_verified=SECRET), ("mfa_verified",)),
    "a field of no event": (lambda: write(colour=SECRET), ("colour",)),
    "fields that disagree": (lambda: write(closed_by=SECRET), ()),
    "no event": (lambda: BreakGlassEvent.model_validate(SECRET), ()),
    "no JSON": (lambda: BreakGlassEvent.model_validate_json(SECRET), ()),
    "an unchecked copy": (
        lambda: BreakGlassEvent.model_validate(
            event().model_copy(update={"mfa_verified": SECRET})
        ),
        ("mfa_verified",),
    ),
    "a closing": (
        lambda: event().close(closed_by=f" {SECRET}", closed_reason="Over", at=CREATED_AT),
        ("closed_by",),
    ),
    "an assignment": (lambda: assign("justification", SECRET), ("justification",)),
    "an assignment to a field of no event": (lambda: assign("colour", SECRET), ("colour",)),
}


@pytest.mark.parametrize(("make", "place"), MISTAKES.values(), ids=MISTAKES.keys())
class TestMistake:
    def test_is_one_error(self, make: Callable[[], object], place: tuple[str, ...]) -> None:
        """One mistake is one error: nothing is said of fields that would follow from it."""
        with pytest.raises(ValidationError) as refusal:
            make()
        assert [error["loc"] for error in refusal.value.errors()] == [place]

    def test_shows_no_value(
        self,
        make: Callable[[], object],
        place: tuple[str, ...],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A value appears in no text of the error, and in no log of it."""
        with pytest.raises(ValidationError) as refusal:
            make()
        logging.getLogger("application").error("refused", exc_info=refusal.value)
        details = refusal.value.errors(include_input=False, include_context=False)
        texts = traceback.format_exception_only(refusal.value)
        assert SECRET not in f"{refusal.value} {refusal.value!r} {refusal.value.args} {details}"
        assert SECRET not in "".join(texts)
        assert SECRET not in caplog.text


def test_a_value_on_demand() -> None:
    """The details carry the value, unless they are asked for without."""
    with pytest.raises(ValidationError) as refusal:
        write(justification=SECRET)
    assert refusal.value.errors()[0]["input"] == SECRET
    assert "input" not in refusal.value.errors(include_input=False)[0]


@pytest.mark.parametrize("hides", [True, False])
def test_within_a_model_that_hides_values_or_does_not(hides: bool) -> None:
    """An error of a model that holds an event is written by that model's configuration."""
    model = create_model(
        "Answer", event=BreakGlassEvent, __config__=ConfigDict(hide_input_in_errors=hides)
    )
    with pytest.raises(ValidationError) as refusal:
        model.model_validate({"event": GOOD | {"invoker": f"{SECRET}\n"}})
    (error,) = refusal.value.errors()
    assert error["loc"] == ("event", "invoker")
    assert (SECRET in str(refusal.value)) is not hides


def test_several_mistakes() -> None:
    """Each mistake is told, in the order of the fields."""
    with pytest.raises(ValidationError) as refusal:
        write(invoker="", duration=0, mfa_verified="yes")
    fields = [error["loc"] for error in refusal.value.errors()]
    assert fields == [("invoker",), ("duration",), ("mfa_verified",)]
