"""Report calls by OpenTelemetry: a span and a duration for each, and counters."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from time import perf_counter
from typing import Final, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider

from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassEvent,
    BreakGlassStatus,
    ConcurrentModificationError,
    CorruptItemError,
    EventExistsError,
    EventHeldError,
    EventNotFoundError,
    EventPage,
    ImmutableFieldError,
    InvalidStateTransitionError,
    LimitExceededError,
    ReviewRefusedError,
    __version__,
)

_SCOPE: Final = "aiobreakglass"

# https://opentelemetry.io/docs/specs/semconv/db/database-metrics/
_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)

RULES: Final[Mapping[type[BaseException], str]] = {
    ActiveEventExistsError: "stacking",
    EventExistsError: "taken_id",
    ConcurrentModificationError: "concurrent_change",
    InvalidStateTransitionError: "transition",
    ImmutableFieldError: "immutable_field",
    ReviewRefusedError: "review",
    EventHeldError: "hold",
}

_Result = TypeVar("_Result")
About = dict[str, str | int]
"""Attributes of a span or of a metric."""


def rule_of(error: BaseException) -> str | None:
    """Return the rule by which a store refused; None if the exception is not a refusal.

    A limit's rule is the name of the field of `Limits`.
    """
    if isinstance(error, LimitExceededError):
        return error.limit
    return next((rule for kind, rule in RULES.items() if isinstance(error, kind)), None)


class Observer:
    """Reports calls of one store."""

    def __init__(
        self,
        collection: str | None,
        system: str,
        *,
        names: bool,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
    ) -> None:
        self._collection = collection
        self._names = names
        self._common: About = {"db.system.name": system}
        if collection is not None:
            self._common["db.collection.name"] = collection
        self._tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
        meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
        self._duration = meter.create_histogram(
            "db.client.operation.duration",
            unit="s",
            description="Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._openings = meter.create_counter(
            "aiobreakglass.openings",
            unit="{opening}",
            description="How often emergency access was opened.",
        )
        self._refusals = meter.create_counter(
            "aiobreakglass.refusals",
            unit="{refusal}",
            description="How often a rule refused a call.",
        )
        self._unknown_outcomes = meter.create_counter(
            "aiobreakglass.unknown_outcomes",
            unit="{call}",
            description="How often nobody can know whether a write has happened.",
        )
        self._corrupt_rows = meter.create_counter(
            "aiobreakglass.corrupt_rows",
            unit="{row}",
            description="How often a row was read that is not what its key says.",
        )
        self._review_debt = meter.create_gauge(
            "aiobreakglass.review_debt",
            unit="{event}",
            description="How many ended events lack a final review.",
        )

    def opened(self, event: BreakGlassEvent) -> None:
        """Count an opening; imports of ended events are none."""
        if event.status is not BreakGlassStatus.ACTIVE:
            return
        about = {**self._common, "aiobreakglass.reason_code": str(event.reason_code)}
        if self._names:
            about["aiobreakglass.profile"] = event.profile
        self._openings.add(1, about)

    def owed(self, debt: int) -> None:
        """Report how many events lack a final review."""
        self._review_debt.set(debt, self._common)

    def pair(self, invoker: str | None, profile: str | None) -> About:
        """Return the names that a span has, if names are asked for."""
        if not self._names:
            return {}
        pair = {"aiobreakglass.invoker": invoker, "aiobreakglass.profile": profile}
        return {name: value for name, value in pair.items() if value is not None}

    async def call(
        self, operation: str, work: Awaitable[_Result], about: About | None = None
    ) -> _Result:
        """Await a call of the store, and report it.

        Args:
            operation: The name of the method.
            work: The call.
            about: What the span says besides what all spans say.
        """
        common: About = {**self._common, "db.operation.name": operation}
        name = operation if self._collection is None else f"{operation} {self._collection}"
        begin = perf_counter()
        # The texts of our exceptions have names, so no exception is recorded by itself.
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            attributes={**common, **(about or {})},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                result = await work
            except BaseException as error:
                kind = type(error).__name__
                span.set_attribute("error.type", kind)
                if not self._count(error, common):
                    span.set_status(Status(StatusCode.ERROR, kind))
                self._duration.record(perf_counter() - begin, {**common, "error.type": kind})
                raise
            if isinstance(result, EventPage):
                span.set_attribute("db.response.returned_rows", len(result))
                if result.corrupt:
                    self._corrupt_rows.add(len(result.corrupt), common)
            self._duration.record(perf_counter() - begin, common)
            return result

    def _count(self, error: BaseException, common: About) -> bool:
        """Count an exception, and return whether it is an answer rather than a failure."""
        rule = rule_of(error)
        if rule is not None:
            self._refusals.add(1, {**common, "aiobreakglass.rule": rule})
        if isinstance(error, CorruptItemError):
            self._corrupt_rows.add(1, common)
        if getattr(error, "outcome_unknown", False) is True:
            self._unknown_outcomes.add(1, common)
        return rule is not None or isinstance(error, EventNotFoundError)
