"""`ValidationError`: one error for each mistake, and no value in its text."""

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
    def test_mistake_is_one_error(
        self, make: Callable[[], object], place: tuple[str, ...]
    ) -> None:
        """One mistake is one error, even if other fields depend on the wrong one."""
        with pytest.raises(ValidationError) as refusal:
            make()
        assert [error["loc"] for error in refusal.value.errors()] == [place]

    def test_mistake_shows_no_value(
        self,
        make: Callable[[], object],
        place: tuple[str, ...],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """The value appears neither in the text of the error nor in a log of it."""
        with pytest.raises(ValidationError) as refusal:
            make()
        logging.getLogger("application").error("refused", exc_info=refusal.value)
        details = refusal.value.errors(include_input=False, include_context=False)
        texts = traceback.format_exception_only(refusal.value)
        assert SECRET not in f"{refusal.value} {refusal.value!r} {refusal.value.args} {details}"
        assert SECRET not in "".join(texts)
        assert SECRET not in caplog.text


def test_error_details_contain_the_value_on_demand() -> None:
    """`errors()` contains the value unless `include_input` is False."""
    with pytest.raises(ValidationError) as refusal:
        write(justification=SECRET)
    assert refusal.value.errors()[0]["input"] == SECRET
    assert "input" not in refusal.value.errors(include_input=False)[0]


@pytest.mark.parametrize("hides", [True, False])
def test_enclosing_model_decides_whether_errors_show_values(hides: bool) -> None:
    """The configuration of an enclosing model decides whether its errors show values."""
    model = create_model(
        "Answer", event=BreakGlassEvent, __config__=ConfigDict(hide_input_in_errors=hides)
    )
    with pytest.raises(ValidationError) as refusal:
        model.model_validate({"event": GOOD | {"invoker": f"{SECRET}\n"}})
    (error,) = refusal.value.errors()
    assert error["loc"] == ("event", "invoker")
    assert (SECRET in str(refusal.value)) is not hides


def test_each_mistake_is_reported_in_field_order() -> None:
    """Each mistake is reported, in the order of the fields."""
    with pytest.raises(ValidationError) as refusal:
        write(invoker="", duration=0, mfa_verified="yes")
    fields = [error["loc"] for error in refusal.value.errors()]
    assert fields == [("invoker",), ("duration",), ("mfa_verified",)]
