"""Define the rules of the door: who may open it how often, for how long, and with what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from inspect import iscoroutine, iscoroutinefunction
from typing import Final

from aiobreakglass._domain.errors import LimitExceededError
from aiobreakglass._domain.event import BreakGlassEvent, ReasonCode
from aiobreakglass._domain.labels import Labels, check_labels

MAX_USES: Final = 90
MAX_UNREVIEWED: Final = 20
MAX_SLOTS: Final = 96
"""How many slots the limits of one opening have at most, because one request reads them all."""

_NO_TIME: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `uses` openings within any interval of the length `within`, wherever it begins.

    Raises:
        TypeError: A field has another type.
        ValueError: `uses` is not 1 to 90, or `within` is not longer than 0.
    """

    uses: int
    within: timedelta

    def __post_init__(self) -> None:
        _check_count("uses", self.uses, 1, MAX_USES)
        _check_interval("within", self.within)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The rules for opening and extending access; a rule that is None does not apply.

    Uses count when they are opened, by the clock of the store that opens them, whether they were
    closed, expired or deleted since. Imports of ended events do not count.

    Raises:
        TypeError: A field has another type.
        ValueError: A field has a value that no rule can have, or `cooldown` (which counts one
            use), both quotas and `max_unreviewed` together count up to more than 96 uses.
    """

    max_duration: timedelta | None = None
    """How long access may last from `created_at` on, extensions included."""
    cooldown: timedelta | None = None
    """How long an invoker waits after opening a profile before opening it again."""
    per_invoker: Quota | None = None
    """How often one invoker may open access, to all profiles together."""
    per_profile: Quota | None = None
    """How often one profile may be opened, by all invokers together."""
    max_extensions: int | None = None
    """How often the end of one event may be moved later."""
    max_unreviewed: int | None = None
    """How many events of an invoker may lack a final review; 1 to 20."""
    reason_codes: Collection[ReasonCode | str] | None = None
    """The only reasons to open the door."""
    require_mfa: bool = False
    """Whether an event must have `mfa_verified`."""
    require_request_id: bool = False
    """Whether an event must have a `request_id`."""
    require_labels: Collection[str] = ()
    """The labels that an event must have, whatever their values."""

    def __post_init__(self) -> None:
        for name in ("max_duration", "cooldown"):
            if getattr(self, name) is not None:
                _check_interval(name, getattr(self, name))
        for name in ("per_invoker", "per_profile"):
            quota = getattr(self, name)
            if not isinstance(quota, Quota | None):
                raise TypeError(f"{name} must be a Quota or None, not {type(quota).__name__}")
        if self.max_extensions is not None:
            _check_count("max_extensions", self.max_extensions, 0)
        if self.max_unreviewed is not None:
            _check_count("max_unreviewed", self.max_unreviewed, 1, MAX_UNREVIEWED)
        if self.reason_codes is not None:
            _check_names("reason_codes", self.reason_codes)
            # As tuples, because limits must not change with the caller's collections.
            object.__setattr__(self, "reason_codes", _reason_codes(self.reason_codes))
        _check_names("require_labels", self.require_labels)
        object.__setattr__(self, "require_labels", _label_names(self.require_labels))
        for name in ("require_mfa", "require_request_id"):
            required = getattr(self, name)
            if not isinstance(required, bool):
                raise TypeError(f"{name} must be a bool, not {type(required).__name__}")
        if self.slots > MAX_SLOTS:
            raise ValueError(
                f"cooldown, per_invoker, per_profile and max_unreviewed count up to {self.slots} "
                f"uses together, and at most {MAX_SLOTS} are possible; lower one of them"
            )

    @property
    def slots(self) -> int:
        """How many slots these limits have."""
        quotas = [quota.uses for quota in (self.per_invoker, self.per_profile) if quota]
        return sum(quotas) + (self.cooldown is not None) + (self.max_unreviewed or 0)


LimitsFor = Limits | Callable[[BreakGlassEvent], Limits]
"""The limits of every event, or a function that returns those of one."""


def check_limits(limits: LimitsFor | None) -> LimitsFor:
    """Return the limits of a store, or raise `TypeError`."""
    if limits is None:
        return NO_LIMITS
    if isinstance(limits, Limits):
        return limits
    if isinstance(limits, type) or not callable(limits):
        raise TypeError(f"limits must be Limits or a function, not {limits!r}")
    if iscoroutinefunction(limits) or iscoroutinefunction(type(limits).__call__):
        raise TypeError(f"limits are asked without waiting, so {limits!r} must not be async")
    return limits


def limits_of(limits: LimitsFor, event: BreakGlassEvent) -> Limits:
    """Return the limits of one event; raise `TypeError` if a function does not return any."""
    if isinstance(limits, Limits):
        return limits
    try:
        found = limits(event)
    except Exception as error:
        raise TypeError(f"the limits function raised {error!r} for event {event.id}") from error
    if not isinstance(found, Limits):
        if iscoroutine(found):
            # Otherwise Python warns later, and elsewhere, that nobody awaited it.
            found.close()
        raise TypeError(
            f"the limits function must return Limits, not {type(found).__name__}, "
            f"for event {event.id}"
        )
    return found


def check_opening(limits: Limits, event: BreakGlassEvent) -> None:
    """Raise `LimitExceededError` if an event by itself breaks a rule."""
    check_duration(limits, event)
    codes = limits.reason_codes
    if codes is not None and event.reason_code not in codes:
        raise LimitExceededError("reason_codes", f"only {', '.join(map(str, codes))} may be used")
    if limits.require_mfa and not event.mfa_verified:
        raise LimitExceededError("require_mfa", "access needs a verified second factor")
    if limits.require_request_id and event.request_id is None:
        raise LimitExceededError("require_request_id", "access needs the id of a request")
    missing = [name for name in limits.require_labels if name not in event.labels]
    if missing:
        labels = "label" if len(missing) == 1 else "labels"
        raise LimitExceededError(
            "require_labels", f"access needs the {labels} {', '.join(missing)}"
        )


def check_duration(limits: Limits, event: BreakGlassEvent) -> None:
    """Raise `LimitExceededError` if access would last too long; the longest time is allowed."""
    longest = limits.max_duration
    if longest is not None and event.expires_at - event.created_at > longest:
        raise LimitExceededError("max_duration", f"access may last at most {longest}")


def check_extension(limits: Limits, stored: BreakGlassEvent, extended: BreakGlassEvent) -> None:
    """Raise `LimitExceededError` if an event may not be extended like this."""
    check_duration(limits, extended)
    most = limits.max_extensions
    if most is not None and stored.extensions >= most:
        raise LimitExceededError(
            "max_extensions",
            f"extensions are limited to {most}, and this event has had {stored.extensions}; "
            "use the time that is left, then open a new one",
            None,
            [stored.id],
        )


def _check_interval(name: str, interval: timedelta) -> None:
    if not isinstance(interval, timedelta):
        raise TypeError(f"{name} must be a timedelta, not {type(interval).__name__}")
    if interval <= _NO_TIME:
        raise ValueError(f"{name} must be longer than 0")


def _check_count(name: str, count: int, least: int, most: int | None = None) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be an integer, not {type(count).__name__}")
    if count < least or (most is not None and count > most):
        raise ValueError(f"{name} must be {least}{f' to {most}' if most else ' or more'}")


def _check_names(field: str, names: Collection[str]) -> None:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise TypeError(f"{field} must be a collection of names, not {type(names).__name__}")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{field} must contain only names, not {type(name).__name__}")


def _reason_codes(codes: Collection[ReasonCode | str]) -> tuple[ReasonCode, ...]:
    known = tuple(ReasonCode)
    if not codes or not all(code in known for code in codes):
        raise ValueError(f"reason_codes must be one or more of {', '.join(known)}")
    return tuple(map(ReasonCode, codes))


def _label_names(names: Collection[str]) -> tuple[str, ...]:
    try:
        check_labels(Labels(dict.fromkeys(names, "any")))
    except ValueError as error:
        # No event could have them, so nobody could ever open the door.
        raise ValueError(f"require_labels {error}") from None
    return tuple(names)


NO_LIMITS: Final = Limits()
