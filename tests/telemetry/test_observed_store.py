"""A store that reports its calls to OpenTelemetry."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv.attributes import db_attributes, error_attributes
from opentelemetry.semconv.metrics.db_metrics import DB_CLIENT_OPERATION_DURATION
from opentelemetry.trace import SpanKind, StatusCode

import aiobreakglass
from aiobreakglass import (
    ActiveEventExistsError,
    BreakGlassError,
    CorruptItemError,
    EventNotFoundError,
    EventPage,
    GovernedStore,
    InMemoryStore,
    LimitExceededError,
    Limits,
    StoreUnavailableError,
    iterate,
)
from aiobreakglass.telemetry import ObservedStore, rule_of
from aiobreakglass.testing import FakeClock, make_event
from tests.cli.test_statuses import FAILURES

COMMON = {db_attributes.DB_SYSTEM_NAME: "aws.dynamodb", db_attributes.DB_COLLECTION_NAME: "bg"}


class Telemetry:
    """What was reported."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def observed(self, store: GovernedStore, **options: Any) -> ObservedStore:
        return ObservedStore(
            store,
            collection="bg",
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            **options,
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._spans.get_finished_spans()

    @property
    def metrics(self) -> list[Metric]:
        data = self._reader.get_metrics_data()
        resources = () if data is None else data.resource_metrics
        return [
            metric
            for resource in resources
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def points(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """Return the attributes and the value, or the count, of each point of a metric."""
        return [
            (
                {
                    key: value
                    for key, value in (point.attributes or {}).items()
                    if key not in COMMON
                },
                point.value if isinstance(point, NumberDataPoint) else point.count,
            )
            for metric in self.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


METHODS = sorted(
    name
    for kind in GovernedStore.__mro__
    for name, value in vars(kind).items()
    if inspect.iscoroutinefunction(value) and not name.startswith("_")
)


class Recording:
    """A store that remembers its only call, and returns an event."""

    def __init__(self) -> None:
        self.event = make_event()
        self.calls: list[tuple[str, dict[str, object]]] = []

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        signature = inspect.signature(getattr(InMemoryStore, name))

        async def method(*args: object, **options: object) -> object:
            bound = signature.bind(None, *args, **options).arguments
            self.calls.append((name, {key: bound[key] for key in bound if key != "self"}))
            return self.event

        return method


@pytest.mark.parametrize("name", METHODS)
async def test_wrapper_passes_every_argument_on(telemetry: Telemetry, name: str) -> None:
    """Each method of the contract reaches the store as it was called, and is a span.

    If names are asked for, the span has those that the call has.
    """
    recording = Recording()
    store = telemetry.observed(cast("GovernedStore", recording), names=True)
    assert name in vars(ObservedStore)
    parameters = list(inspect.signature(getattr(store, name)).parameters.values())
    given = {parameter.name: f"a value of {parameter.name}" for parameter in parameters}
    arguments: dict[str, object] = {
        **given,
        **({"event": recording.event} if "event" in given else {}),
    }
    positional = [
        arguments.pop(parameter.name)
        for parameter in parameters
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    result = await getattr(store, name)(*positional, **arguments)
    assert result is (None if name == "delete" else recording.event)
    ((called, passed),) = recording.calls
    assert called == name
    assert list(passed.values()) == [*positional, *arguments.values()]
    (span,) = telemetry.spans
    assert span.name == f"{name} bg"
    pair = vars(recording.event) if "event" in given else given
    assert {
        key.removeprefix("aiobreakglass."): value
        for key, value in (span.attributes or {}).items()
        if key.startswith("aiobreakglass.")
    } == {key: pair[key] for key in ("invoker", "profile") if key in pair}


async def test_call_is_a_span_and_a_duration(telemetry: Telemetry) -> None:
    """Names and attributes are those of the semantic conventions for database clients."""
    store = telemetry.observed(InMemoryStore())
    await store.create(make_event())
    (span,) = telemetry.spans
    operation = {db_attributes.DB_OPERATION_NAME: "create"}
    assert (span.name, span.kind) == ("create bg", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {**COMMON, **operation}
    assert span.status.status_code is StatusCode.UNSET
    assert telemetry.points(DB_CLIENT_OPERATION_DURATION) == [(operation, 1)]
    assert telemetry.points("aiobreakglass.openings") == [
        ({"aiobreakglass.reason_code": "incident"}, 1)
    ]


async def test_metrics_have_the_units_of_the_conventions(telemetry: Telemetry) -> None:
    """Durations are seconds, in the buckets that the conventions advise; counts have a noun."""
    store = telemetry.observed(InMemoryStore())
    await store.create(make_event())
    with pytest.raises(ActiveEventExistsError):
        await store.create(make_event())
    await store.measure_review_debt()
    metrics = {metric.name: metric for metric in telemetry.metrics}
    assert {name: metric.unit for name, metric in metrics.items()} == {
        DB_CLIENT_OPERATION_DURATION: "s",
        "aiobreakglass.openings": "{opening}",
        "aiobreakglass.refusals": "{refusal}",
        "aiobreakglass.review_debt": "{event}",
    }
    point, *_ = metrics[DB_CLIENT_OPERATION_DURATION].data.data_points
    assert isinstance(point, HistogramDataPoint)
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert 0 < point.sum < 60


@pytest.mark.parametrize("status", ["closed", "expired"])
async def test_import_is_no_opening(telemetry: Telemetry, status: str) -> None:
    store = telemetry.observed(InMemoryStore())
    await store.create(make_event(status=status))
    assert telemetry.points("aiobreakglass.openings") == []


@pytest.mark.parametrize("names", [False, True])
async def test_names_are_reported_only_if_asked_for(telemetry: Telemetry, names: bool) -> None:
    """Nobody's name leaves the program by itself, and never a justification or an error's text."""
    store = telemetry.observed(InMemoryStore(), names=names)
    await store.create(make_event(invoker="alice", profile="prod"))
    with pytest.raises(ActiveEventExistsError):
        await store.create(make_event(invoker="alice", profile="prod"))
    assert await store.find_active_by_invoker_and_profile("alice", "prod")
    await store.list_by_profile("prod")
    reported = " ".join(
        [
            *(f"{span.to_json()}" for span in telemetry.spans),
            str(telemetry.points("aiobreakglass.openings")),
            str(telemetry.points("aiobreakglass.refusals")),
        ]
    )
    assert ("alice" in reported) is names
    assert ("prod" in reported) is names
    assert "primary database" not in reported
    assert "already holds" not in reported


async def test_refusal_is_counted_by_rule_and_is_no_failure(telemetry: Telemetry) -> None:
    """A refusal is the rule at work: the span has its type, but not the status of an error."""
    clock = FakeClock()
    limits = Limits(cooldown=timedelta(hours=1))
    store = telemetry.observed(InMemoryStore(clock=clock, limits=limits))
    event = await store.create(make_event(created_at=clock()))
    with pytest.raises(ActiveEventExistsError):
        await store.create(make_event(created_at=clock()))
    await store.close(event.id, closed_by="bob", closed_reason="Over")
    with pytest.raises(LimitExceededError):
        await store.create(make_event(created_at=clock()))
    with pytest.raises(EventNotFoundError):
        await store.get("0000000000000000")
    create = {db_attributes.DB_OPERATION_NAME: "create"}
    assert telemetry.points("aiobreakglass.refusals") == [
        ({**create, "aiobreakglass.rule": "stacking"}, 1),
        ({**create, "aiobreakglass.rule": "cooldown"}, 1),
    ]
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}
    kinds = [(span.attributes or {}).get(error_attributes.ERROR_TYPE) for span in telemetry.spans]
    assert kinds == [
        *(None, "ActiveEventExistsError", None, "LimitExceededError", "EventNotFoundError")
    ]


class Failing(InMemoryStore):
    """A store that fails as it is told."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    async def get(self, event_id: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "unknown", "corrupt"),
    [
        (StoreUnavailableError("alice was lost", outcome_unknown=True), 1, 0),
        (StoreUnavailableError("alice was throttled"), 0, 0),
        (CorruptItemError("ACTIVE#5#alice#prod", "no event"), 0, 1),
        (RuntimeError("alice"), 0, 0),
        (KeyboardInterrupt("alice"), 0, 0),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_failure_is_reported_by_its_type(
    telemetry: Telemetry, error: BaseException, unknown: int, corrupt: int
) -> None:
    """The text of an exception may have names, so only its type is reported."""
    store = telemetry.observed(Failing(error))
    with pytest.raises(type(error)):
        await store.get("0000000000000000")
    (span,) = telemetry.spans
    kind = type(error).__name__
    assert span.status.status_code is StatusCode.ERROR
    assert "alice" not in span.to_json()
    get = {db_attributes.DB_OPERATION_NAME: "get"}
    assert telemetry.points(DB_CLIENT_OPERATION_DURATION) == [
        ({**get, error_attributes.ERROR_TYPE: kind}, 1)
    ]
    assert telemetry.points("aiobreakglass.unknown_outcomes") == [(get, 1)] * unknown
    assert telemetry.points("aiobreakglass.corrupt_rows") == [(get, 1)] * corrupt


async def test_rows_that_a_list_left_out_are_counted(telemetry: Telemetry) -> None:
    class Spoiled(InMemoryStore):
        async def list_by_status(self, *_: Any, **__: Any) -> EventPage:
            errors = [CorruptItemError(f"BREAKGLASS#{number}", "no status") for number in range(3)]
            return EventPage((make_event(),), None, tuple(errors))

    store = telemetry.observed(Spoiled())
    assert len(await store.list_by_status("active", on_corrupt="skip")) == 1
    operation = {db_attributes.DB_OPERATION_NAME: "list_by_status"}
    assert telemetry.points("aiobreakglass.corrupt_rows") == [(operation, 3)]
    assert (telemetry.spans[0].attributes or {})["db.response.returned_rows"] == 1


@pytest.mark.parametrize(
    ("at_most", "reported", "lists"), [(1000, 3, 2), (3, 3, 2), (2, 2, 1), (1, 1, 1)]
)
async def test_review_debt_counts_what_lacks_a_final_review(
    telemetry: Telemetry, at_most: int, reported: int, lists: int
) -> None:
    """An event that needs follow-up is a debt as well; a final review ends it."""
    store = telemetry.observed(InMemoryStore())
    events = [await store.create(make_event(status="closed")) for _ in range(4)]
    for event, outcome in zip(events, ["justified", "needs_follow_up"], strict=False):
        await store.review(event.id, reviewed_by="carol", outcome=outcome, comment="Seen")
    assert await store.measure_review_debt(at_most=at_most) == reported
    assert telemetry.points("aiobreakglass.review_debt") == [({}, reported)]
    assert [span.name for span in telemetry.spans[6:]] == ["list_awaiting_review bg"] * lists


async def test_review_debt_goes_through_all_pages_and_past_corrupt_rows(
    telemetry: Telemetry,
) -> None:
    """One row that is no event must not hide the debt."""

    class Paged(InMemoryStore):
        async def list_awaiting_review(self, *_: Any, **options: Any) -> EventPage:
            assert options["on_corrupt"] == "skip"
            return await super().list_awaiting_review(1, **options)

    store = telemetry.observed(Paged())
    for _ in range(3):
        await store.create(make_event(status="closed"))
    assert await store.measure_review_debt() == 3


@pytest.mark.parametrize(("at_most", "error"), [(0, ValueError), ("7", TypeError)])
async def test_review_debt_that_cannot_be_counted_is_not_reported(
    telemetry: Telemetry, at_most: Any, error: type[Exception]
) -> None:
    """A debt of nothing would be a lie."""
    store = telemetry.observed(InMemoryStore())
    with pytest.raises(error, match=r"^at_most must be"):
        await store.measure_review_debt(at_most=at_most)
    assert telemetry.points("aiobreakglass.review_debt") == []


@pytest.mark.parametrize("names", [False, True])
async def test_mistake_of_the_caller_is_refused_by_the_store(
    telemetry: Telemetry, names: bool
) -> None:
    """The wrapper adds no exceptions of its own."""
    store = telemetry.observed(InMemoryStore(), names=names)
    with pytest.raises(TypeError, match=r"^event must be a BreakGlassEvent, not dict"):
        await store.create({"invoker": "alice"})  # type: ignore[arg-type] # what is tested
    assert [span.name for span in telemetry.spans] == ["create bg"]


async def test_wrapper_can_be_iterated(telemetry: Telemetry) -> None:
    """Functions that take a store take the wrapper, and each page is a span."""
    store = telemetry.observed(InMemoryStore())
    for number in range(3):
        await store.create(make_event(invoker=f"person-{number}"))
    found = [event async for event in iterate(store.list_by_status, "active", 2)]
    assert len(found) == 3
    assert [span.name for span in telemetry.spans[3:]] == ["list_by_status bg"] * 2


def test_every_exception_is_a_refusal_or_a_failure_on_purpose() -> None:
    """A new exception must be sorted: is it a rule at work, or a failure?"""
    failures = {"CorruptItemError", "EventNotFoundError", "ExpiryError", "ItemTooLargeError"}
    failures |= {"StoreUnavailableError", "TableError"}
    errors = [error for error, _ in FAILURES if isinstance(error, BreakGlassError)]
    assert {type(error) for error in errors} >= {
        value
        for name in aiobreakglass.__all__
        if inspect.isclass(value := getattr(aiobreakglass, name))
        and issubclass(value, BreakGlassError)
        and value is not BreakGlassError
    }
    for error in errors:
        assert (rule_of(error) is None) is (type(error).__name__ in failures), error
