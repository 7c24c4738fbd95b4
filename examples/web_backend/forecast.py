"""Say in words which rules an opening must meet, and which would refuse it now.

This is a forecast for people, from lists. Lists lag for a moment, do not have deleted events, and
have imported ones, which do not count. Only the store decides, when it opens access.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiobreakglass import (
    MAX_QUERY_LIMIT,
    BreakGlassEvent,
    BreakGlassStore,
    Limits,
    Quota,
    ReasonCode,
)

_BEGINNING_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
_UNITS: Final = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
    ("second", timedelta(seconds=1)),
)
_HOURS: Final = timedelta(hours=48)
"""Up to this time people say hours, not days."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule, and whether it would refuse an opening now."""

    limit: str
    """The field of `Limits`."""
    rule: str
    is_reached: bool
    used: int | None = None
    allowed: int | None = None
    retry_at: datetime | None = None
    labels: tuple[str, ...] = ()
    """The labels that the rule requires."""


async def forecast(
    store: BreakGlassStore, limits: Limits, event: BreakGlassEvent, now: datetime
) -> list[Standing]:
    """Return the rules for opening an event, in the order in which the store applies them."""
    rules = list(_static_rules(limits, event))
    if limits.cooldown is not None:
        pair = await _newest(store, event, Quota(1, limits.cooldown), now, field="pair")
        words = f"You may open this profile once within {in_words(limits.cooldown)}."
        rules.append(_counted("cooldown", words, pair, Quota(1, limits.cooldown)))
    if (quota := limits.per_invoker) is not None:
        mine = await _newest(store, event, quota, now, field="invoker")
        words = f"You may open access {times(quota.uses)} within {in_words(quota.within)}."
        rules.append(_counted("per_invoker", words, mine, quota))
    if (quota := limits.per_profile) is not None:
        everybodys = await _newest(store, event, quota, now, field="profile")
        words = (
            f"This profile may be opened {times(quota.uses)} within {in_words(quota.within)}, "
            "by all people together."
        )
        rules.append(_counted("per_profile", words, everybodys, quota))
    if (most := limits.max_unreviewed) is not None:
        debt = await _unreviewed(store, event.invoker, most)
        uses = "use" if most == 1 else "uses"
        rules.append(
            Standing(
                "max_unreviewed",
                f"You may have {most} {uses} without a final review. A reviewer decides.",
                debt >= most,
                debt,
                most,
            )
        )
    return rules


def in_words(interval: timedelta) -> str:
    """Return an interval as people say it, such as "1 hour 30 minutes"."""
    units = _UNITS[1:] if interval <= _HOURS else _UNITS
    parts = []
    for name, unit in units:
        number, interval = divmod(interval, unit)
        if number:
            parts.append(f"{number} {name}{'s' * (number != 1)}")
    return " ".join(parts) or "less than 1 second"


def times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _static_rules(limits: Limits, event: BreakGlassEvent) -> Iterator[Standing]:
    """Yield the rules that an event meets, or does not, by itself."""
    longest = limits.max_duration
    if longest is not None:
        yield Standing(
            "max_duration",
            f"Access may last at most {in_words(longest)}, extensions included.",
            event.expires_at - event.created_at > longest,
        )
    if limits.reason_codes is not None:
        codes = [ReasonCode(code) for code in limits.reason_codes]
        yield Standing(
            "reason_codes",
            f"Allowed reasons: {', '.join(codes) or 'none'}.",
            event.reason_code not in codes,
        )
    if limits.require_mfa:
        words = "Access needs a verified second factor."
        yield Standing("require_mfa", words, not event.mfa_verified)
    if limits.require_request_id:
        words = "Access needs the id of a request."
        yield Standing("require_request_id", words, event.request_id is None)
    if limits.require_labels:
        yield Standing(
            "require_labels",
            f"Access needs these labels: {', '.join(limits.require_labels)}.",
            not set(limits.require_labels) <= event.labels.keys(),
            labels=tuple(limits.require_labels),
        )


def _counted(limit: str, rule: str, uses: list[BreakGlassEvent], quota: Quota) -> Standing:
    is_reached = len(uses) >= quota.uses
    return Standing(
        limit,
        rule,
        is_reached,
        len(uses),
        quota.uses,
        _free_from(uses[-1], quota.within) if is_reached else None,
    )


def _free_from(event: BreakGlassEvent, within: timedelta) -> datetime:
    """Return when a use stops to count."""
    return event.created_at + min(within, _END_OF_TIME - event.created_at)


async def _newest(
    store: BreakGlassStore, event: BreakGlassEvent, quota: Quota, now: datetime, *, field: str
) -> list[BreakGlassEvent]:
    """Return the uses that count, newest first, but no more than the quota allows."""
    since = now - min(quota.within, now - _BEGINNING_OF_TIME)
    cursor = None
    found: list[BreakGlassEvent] = []
    while True:
        if field == "profile":
            page = await store.list_by_profile(
                event.profile, quota.uses, since=since, cursor=cursor, on_corrupt="skip"
            )
        else:
            size = MAX_QUERY_LIMIT if field == "pair" else quota.uses
            page = await store.list_by_invoker(
                event.invoker, size, since=since, cursor=cursor, on_corrupt="skip"
            )
        found += [
            use
            for use in page
            # A use that began this long ago to the instant no longer counts.
            if use.created_at > since and (field != "pair" or use.profile == event.profile)
        ]
        cursor = page.next_cursor
        if cursor is None or len(found) >= quota.uses:
            return found[: quota.uses]


async def _unreviewed(store: BreakGlassStore, invoker: str, most: int) -> int:
    """Count a person's events without a final review among their newest, up to `most`."""
    page = await store.list_by_invoker(invoker, MAX_QUERY_LIMIT, on_corrupt="skip")
    waiting = [
        event
        for event in page
        if event.review_outcome is None or not event.review_outcome.is_final
    ]
    return min(len(waiting), most)
