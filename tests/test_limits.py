"""Limits: each field's bounds, each rule on its own, and limits by a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from aiobreakglass import (
    BreakGlassEvent,
    InMemoryStore,
    LimitExceededError,
    Limits,
    Quota,
    ReasonCode,
)
from aiobreakglass._domain.limits import (
    MAX_SLOTS,
    NO_LIMITS,
    check_duration,
    check_extension,
    check_limits,
    check_opening,
    limits_of,
)
from aiobreakglass.testing import make_event

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
CREATED_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)
QUOTA = Quota(2, DAY)
EVENT = make_event(
    created_at=CREATED_AT, mfa_verified=True, request_id="c0ffee", labels={"ticket": "OPS-7"}
)


class TestQuota:
    @pytest.mark.parametrize("uses", [1, 90])
    @pytest.mark.parametrize("within", [MICROSECOND, timedelta.max])
    def test_least_and_most_are_accepted(self, uses: int, within: timedelta) -> None:
        """A quota has 1 to 90 uses within any interval."""
        quota = Quota(uses, within)
        assert (quota.uses, quota.within) == (uses, within)

    @pytest.mark.parametrize(
        ("values", "error", "message"),
        [
            ({"uses": 0}, ValueError, "^uses must be 1 to 90$"),
            ({"uses": -1}, ValueError, "^uses must be 1 to 90$"),
            ({"uses": 91}, ValueError, "^uses must be 1 to 90$"),
            ({"uses": 3.0}, TypeError, "^uses must be an integer, not float$"),
            ({"uses": True}, TypeError, "^uses must be an integer, not bool$"),
            ({"uses": None}, TypeError, "^uses must be an integer, not NoneType$"),
            ({"within": timedelta(0)}, ValueError, "^within must be longer than 0$"),
            ({"within": -MICROSECOND}, ValueError, "^within must be longer than 0$"),
            ({"within": 3600}, TypeError, "^within must be a timedelta, not int$"),
        ],
        ids=str,
    )
    def test_wrong_quota_is_refused(
        self, values: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """The error names the field and its rule."""
        with pytest.raises(error, match=message):
            Quota(**{"uses": 2, "within": DAY, **values})


class TestFields:
    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"max_duration": MICROSECOND},
            {"cooldown": MICROSECOND},
            {"max_extensions": 0},
            {"max_unreviewed": 1},
            {"max_unreviewed": 20},
            {"reason_codes": list(ReasonCode)},
            {"reason_codes": {"incident"}},
            {"require_labels": [f"label{number}" for number in range(16)]},
            {"per_invoker": QUOTA, "per_profile": QUOTA},
        ],
        ids=str,
    )
    def test_values_within_bounds_are_accepted(self, values: dict[str, Any]) -> None:
        """Every field is optional, and its least and its most value are accepted."""
        Limits(**values)

    @pytest.mark.parametrize(
        ("values", "error", "message"),
        [
            ({"max_duration": timedelta(0)}, ValueError, "^max_duration must be longer than 0$"),
            ({"max_duration": 7}, TypeError, "^max_duration must be a timedelta, not int$"),
            ({"cooldown": -MICROSECOND}, ValueError, "^cooldown must be longer than 0$"),
            ({"cooldown": "1h"}, TypeError, "^cooldown must be a timedelta, not str$"),
            ({"per_invoker": 3}, TypeError, "^per_invoker must be a Quota or None, not int$"),
            (
                {"per_profile": (3, DAY)},
                TypeError,
                "^per_profile must be a Quota or None, not tuple$",
            ),
            ({"max_extensions": -1}, ValueError, "^max_extensions must be 0 or more$"),
            ({"max_extensions": True}, TypeError, "^max_extensions must be an integer"),
            ({"max_extensions": 1.0}, TypeError, "^max_extensions must be an integer"),
            ({"max_unreviewed": 0}, ValueError, "^max_unreviewed must be 1 to 20$"),
            ({"max_unreviewed": 21}, ValueError, "^max_unreviewed must be 1 to 20$"),
            ({"max_unreviewed": "2"}, TypeError, "^max_unreviewed must be an integer"),
            (
                {"reason_codes": ["boredom"]},
                ValueError,
                "^reason_codes must be one or more of incid",
            ),
            ({"reason_codes": []}, ValueError, "^reason_codes must be one or more of incident,"),
            ({"reason_codes": "incident"}, TypeError, "^reason_codes must be a collection"),
            ({"reason_codes": 7}, TypeError, "^reason_codes must be a coll"),
            ({"reason_codes": [7]}, TypeError, "^reason_codes must contain only names, not int$"),
            ({"require_mfa": 1}, TypeError, "^require_mfa must be a bool, not int$"),
            (
                {"require_request_id": None},
                TypeError,
                "^require_request_id must be a bool, not None",
            ),
            ({"require_labels": "ticket"}, TypeError, "^require_labels must be a collection"),
            (
                {"require_labels": [None]},
                TypeError,
                "^require_labels must contain only names, not None",
            ),
            ({"require_labels": ["Ticket"]}, ValueError, "^require_labels must have keys of 1"),
            (
                {"require_labels": [f"label{number}" for number in range(17)]},
                ValueError,
                "^require_labels must have at most 16 labels$",
            ),
        ],
        ids=str,
    )
    def test_wrong_value_is_refused(
        self, values: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        """The error names the field and its rule."""
        with pytest.raises(error, match=message):
            Limits(**values)

    def test_all_limits_together_have_as_many_slots_as_one_request_reads(self) -> None:
        """Each use, each unreviewed event and the cooldown need one slot of 96."""
        most = {"per_invoker": Quota(5, DAY), "per_profile": Quota(90, DAY), "cooldown": HOUR}
        assert Limits(**most).slots == MAX_SLOTS  # type: ignore[arg-type] # mixed values
        with pytest.raises(ValueError, match=r"97 uses .*, and at most 96 .* lower one"):
            Limits(**most, max_unreviewed=1)  # type: ignore[arg-type] # mixed values

    def test_limits_do_not_change_with_the_callers_collections(self) -> None:
        """Limits are a value: nobody can change them afterwards."""
        codes, labels = ["incident"], ["ticket"]
        limits = Limits(reason_codes=codes, require_labels=labels)
        codes.append("other")
        labels.clear()
        assert limits == Limits(reason_codes=(ReasonCode.INCIDENT,), require_labels=("ticket",))
        assert hash(limits) == hash(Limits(reason_codes=["incident"], require_labels=["ticket"]))


class TestOpening:
    @pytest.mark.parametrize(
        ("limits", "changes"),
        [
            (NO_LIMITS, {}),
            (Limits(max_duration=HOUR), {}),
            (Limits(reason_codes=["incident", "other"]), {}),
            (Limits(require_mfa=True), {}),
            (Limits(require_request_id=True), {}),
            (Limits(require_labels=["ticket"]), {"labels": {"ticket": "OPS-7", "team": "db"}}),
        ],
        ids=str,
    )
    def test_event_that_follows_the_rules_is_allowed(
        self, limits: Limits, changes: dict[str, Any]
    ) -> None:
        """An event that has all that the rules ask for may be opened."""
        check_opening(limits, EVENT.model_copy(update=changes))

    @pytest.mark.parametrize(
        ("limits", "changes", "message"),
        [
            (
                Limits(max_duration=HOUR - MICROSECOND),
                {},
                "max_duration: access may last at most 0:59:59.999999",
            ),
            (
                Limits(max_duration=HOUR),
                {"expires_at": CREATED_AT + HOUR + MICROSECOND},
                "max_duration: access may last at most 1:00:00",
            ),
            (
                Limits(reason_codes=["security", "recovery"]),
                {},
                "reason_codes: only security, recovery may be used",
            ),
            (
                Limits(require_mfa=True),
                {"mfa_verified": False},
                "require_mfa: access needs a verified second factor",
            ),
            (
                Limits(require_request_id=True),
                {"request_id": None},
                "require_request_id: access needs the id of a request",
            ),
            (
                Limits(require_labels=["ticket", "team"]),
                {},
                "require_labels: access needs the label team",
            ),
            (
                Limits(require_labels=["ticket", "team", "incident"]),
                {},
                "require_labels: access needs the labels team, incident",
            ),
        ],
        ids=str,
    )
    def test_event_that_breaks_a_rule_is_refused(
        self, limits: Limits, changes: dict[str, Any], message: str
    ) -> None:
        """The error names the field of `Limits`; time alone does not help, so it has none."""
        with pytest.raises(LimitExceededError) as refusal:
            check_opening(limits, EVENT.model_copy(update=changes))
        error = refusal.value
        assert str(error) == message
        assert (error.limit, error.retry_at, error.event_ids) == (message.split(":")[0], None, ())

    def test_event_without_anything_is_told_the_first_rule(self) -> None:
        """The rules are asked in the order of the fields of `Limits`, those of slots last."""
        rules: dict[str, Any] = {
            "max_duration": MICROSECOND,
            "reason_codes": ["other"],
            "require_mfa": True,
            "require_request_id": True,
            "require_labels": ["team"],
        }
        bare = make_event(created_at=CREATED_AT)
        refusing = []
        while rules:
            with pytest.raises(LimitExceededError) as refusal:
                check_opening(Limits(**rules), bare)
            refusing.append(refusal.value.limit)
            del rules[refusal.value.limit]
        assert refusing == [
            "max_duration",
            "reason_codes",
            "require_mfa",
            "require_request_id",
            "require_labels",
        ]


class TestExtension:
    @pytest.mark.parametrize(
        ("most", "had", "allowed"),
        [(None, 99, True), (0, 0, False), (1, 0, True), (1, 1, False), (1, 2, False)],
    )
    def test_extensions_are_limited_by_number(
        self, most: int | None, had: int, allowed: bool
    ) -> None:
        """`max_extensions` is how many extensions an event may have, this one included."""
        stored = EVENT.model_copy(update={"extensions": had})
        longer = stored.model_copy(update={"expires_at": stored.expires_at + HOUR})
        limits = Limits(max_extensions=most)
        if allowed:
            check_extension(limits, stored, longer)
            return
        with pytest.raises(LimitExceededError) as refusal:
            check_extension(limits, stored, longer)
        error = refusal.value
        assert (error.limit, error.retry_at, error.event_ids) == (
            "max_extensions",
            None,
            (stored.id,),
        )
        assert f"limited to {most}, and this event has had {had}" in str(error)
        # Whoever closes an event early may be refused a new one, by the rules for opening.
        assert "use the time that is left" in str(error)

    def test_extended_access_is_limited_from_its_beginning(self) -> None:
        """`max_duration` includes the extensions; the longest time itself is allowed."""
        limits = Limits(max_duration=2 * HOUR)
        longest = EVENT.model_copy(update={"expires_at": CREATED_AT + 2 * HOUR})
        check_extension(limits, EVENT, longest)
        check_duration(limits, longest)
        longer = EVENT.model_copy(update={"expires_at": CREATED_AT + 2 * HOUR + MICROSECOND})
        with pytest.raises(LimitExceededError, match=r"^max_duration: .* at most 2:00:00$"):
            check_extension(limits, EVENT, longer)


def failing(_: BreakGlassEvent) -> Limits:
    raise LookupError("no such profile")


def none_at_all(_: BreakGlassEvent) -> Any:
    return None


async def later(_: BreakGlassEvent) -> Limits:
    return NO_LIMITS


class Later:
    async def __call__(self, _: BreakGlassEvent) -> Limits:
        return NO_LIMITS


LIMITS_FUNCTIONS: list[tuple[Callable[[BreakGlassEvent], Any], str]] = [
    (failing, "the limits function raised LookupError.*no such profile.* for event"),
    (none_at_all, "the limits function must return Limits, not NoneType, for event"),
    (lambda _: Limits, "the limits function must return Limits, not type, for event"),
    (lambda _: QUOTA, "the limits function must return Limits, not Quota, for event"),
]

each_wrong_function = pytest.mark.parametrize(
    ("function", "message"), LIMITS_FUNCTIONS, ids=["raises", "none", "class", "quota"]
)


class TestLimitsOfAnEvent:
    def test_limits_by_value_are_the_limits_of_every_event(self) -> None:
        """The same rules for everybody need no function."""
        limits = Limits(cooldown=HOUR)
        assert check_limits(limits) is limits
        assert limits_of(limits, EVENT) is limits
        assert check_limits(None) is NO_LIMITS

    def test_limits_by_function_follow_the_event(self) -> None:
        """A function returns the rules of one event, such as those of its profile."""
        rules = {"prod": Limits(cooldown=HOUR), "staging": NO_LIMITS}
        limits = check_limits(lambda event: rules[event.profile])
        assert limits_of(limits, EVENT) is rules["prod"]
        assert limits_of(limits, make_event(profile="staging")) is NO_LIMITS

    @pytest.mark.parametrize(
        "limits", [7, "strict", {"cooldown": HOUR}, QUOTA, Limits, Quota], ids=str
    )
    def test_store_refuses_what_is_neither(self, limits: Any) -> None:
        """The constructor refuses it, long before the emergency."""
        with pytest.raises(TypeError, match=r"^limits must be Limits or a function, not"):
            InMemoryStore(limits=limits)

    @pytest.mark.parametrize(
        "function", [later, partial(later), Later()], ids=["function", "partial", "object"]
    )
    def test_store_refuses_an_async_function(self, function: Any) -> None:
        """The constructor refuses it as well, because nobody would await its answer."""
        with pytest.raises(TypeError, match=r"without waiting, so .* must not be async"):
            InMemoryStore(limits=function)

    @each_wrong_function
    def test_error_names_mistake_of_the_function(
        self, function: Callable[[BreakGlassEvent], Any], message: str
    ) -> None:
        """The error says what the function did, and for which event."""
        with pytest.raises(TypeError, match=f"^{message} {EVENT.id}$"):
            limits_of(function, EVENT)

    def test_error_of_a_function_is_kept_as_cause(self) -> None:
        """The traceback shows where the function failed."""
        with pytest.raises(TypeError) as failure:
            limits_of(failing, EVENT)
        assert isinstance(failure.value.__cause__, LookupError)

    def test_coroutine_is_no_answer(self) -> None:
        """It is closed, so Python does not warn that nobody awaited it."""
        coroutines: list[Any] = []

        def function(event: BreakGlassEvent) -> Any:
            coroutines.append(later(event))
            return coroutines[-1]

        with pytest.raises(TypeError, match="must return Limits, not coroutine"):
            limits_of(function, EVENT)
        assert inspect.getcoroutinestate(coroutines[0]) == inspect.CORO_CLOSED
