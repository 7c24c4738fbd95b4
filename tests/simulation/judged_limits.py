"""Is it true that a limit was used up? Judged by the entries of what was opened, not by slots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import product

from aiobreakglass import LimitExceededError, Limits
from tests.simulation.exceeded import FINAL, has_history, owes
from tests.simulation.record import Call
from tests.simulation.span import Span
from tests.simulation.timeline import DELETED, LAYOUT, Sight, Timeline


def refused_opening(call: Call, error: LimitExceededError, span: Span) -> Iterator[str]:
    """Yield what is wrong with the refusal of an opening."""
    subject = call.subject
    assert subject is not None
    if all(sight.said is not None for sight in span.event(subject.id)):
        yield f"was told {error}, and its id was taken"
    rules = call.process.rules_of(call)
    if error.limit == "max_duration":
        length = subject.expires_at - subject.created_at
        if all(each.max_duration is None or length <= each.max_duration for each in rules):
            yield f"was told {error}, and lasts {length}"
        return
    pair = subject.invoker, subject.profile
    if all(
        span.is_granting(sight, pair, now) for sight in span.holdings(pair) for now in call.nows
    ):
        yield f"was told {error}, and held access"
    for event_id, times in Counter(error.event_ids).items():
        if times > max(1, len(span.timeline.openings(event_id))):
            yield f"was told {error}, which counts an event more often than it was opened"
    if not any(_is_used_up(call, error, each, span) for each in rules):
        yield f"was told {error}, which is not used up"


def refused_extension(
    call: Call, error: LimitExceededError, sights: Iterable[Sight]
) -> Iterator[str]:
    """Yield what is wrong with the refusal of an extension."""
    events = [sight.event for sight in sights if sight.event is not None]
    rules = call.process.rules_of(call)
    if error.limit == "max_extensions":
        is_true = any(
            each.max_extensions is not None and event.extensions >= each.max_extensions
            for event in events
            for each in rules
        )
    else:
        end = call.asked["expires_at"] if call.subject is None else call.subject.expires_at
        is_true = error.limit == "max_duration" and any(
            each.max_duration is not None and end - event.created_at > each.max_duration
            for event in events
            for each in rules
        )
    if not is_true:
        yield f"was told {error}"


def _is_used_up(call: Call, error: LimitExceededError, rules: Limits, span: Span) -> bool:
    """Tell whether all uses of a limit were taken at an instant that the call's clock told it."""
    if error.limit == "max_unreviewed":
        counted = [
            event_id
            for event_id in error.event_ids
            if owes(span.timeline, event_id, call.began, min(call.nows))
            or any(
                owes(span.timeline, event_id, sight.since, min(call.nows))
                or _awaits(span.timeline, event_id, sight, min(call.nows))
                for sight in span.event(event_id)
            )
            or span.meets_corrupt()
        ]
        is_full = len(counted) == len(error.event_ids) == rules.max_unreviewed
        return is_full and error.retry_at is None
    uses, within = _quota(error.limit, rules)
    if within is None or len(error.event_ids) != uses:
        return False
    openings = (span.timeline.openings(event_id) for event_id in error.event_ids)
    return any(
        error.retry_at == instants[0] + within
        and list(instants) == sorted(instants)
        and any(instants[0] + within > now for now in call.nows)
        for instants in product(*openings)
    )


def _awaits(timeline: Timeline, event_id: str, sight: Sight, now: datetime) -> bool:
    """Tell whether an event awaits its review by its row alone: a restore may have lost one.

    A tombstone stands for the row that it has replaced.
    """
    event = sight.event
    if sight.said == DELETED and has_history(sight, now):
        sights = timeline.ever(LAYOUT.event_key(event_id))
        event = sights[sights.index(sight) - 1].event
    return event is not None and event.review_outcome not in FINAL


def _quota(limit: str, rules: Limits) -> tuple[int, timedelta | None]:
    quota = {"per_invoker": rules.per_invoker, "per_profile": rules.per_profile}.get(limit)
    if quota is not None:
        return quota.uses, quota.within
    return 1, rules.cooldown if limit == "cooldown" else None
