"""Test your own store: inherit the contract, and add tests of what is special about it."""

from __future__ import annotations

import pytest
from audited import AuditedStore

from aiobreakglass import ActiveEventExistsError, InMemoryStore
from aiobreakglass.testing import FakeClock, StoreContract, make_event

Reports = list[tuple[str, str]]


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
def store(breakglass_store: InMemoryStore, reports: Reports) -> AuditedStore:
    return AuditedStore(breakglass_store, lambda *report: reports.append(report))


class TestContract(StoreContract):
    """Replaces the contract's clock, because the store above uses the plugin's clock."""

    @pytest.fixture
    def clock(self, breakglass_clock: FakeClock) -> FakeClock:
        return breakglass_clock


async def test_each_write_is_reported(
    store: AuditedStore, breakglass_clock: FakeClock, reports: Reports
) -> None:
    event = await store.create(make_event(created_at=breakglass_clock()))
    await store.update(event)
    await store.close(event.id, closed_by="bob", closed_reason="The replica has taken over")
    await store.delete(event.id)
    assert reports == [
        ("created", event.id),
        ("updated", event.id),
        ("closed", event.id),
        ("deleted", event.id),
    ]


async def test_refused_write_is_not_reported(
    store: AuditedStore, breakglass_clock: FakeClock, reports: Reports
) -> None:
    event = await store.create(make_event(created_at=breakglass_clock()))
    with pytest.raises(ActiveEventExistsError):
        await store.create(make_event(created_at=breakglass_clock()))
    assert reports == [("created", event.id)]
