"""The load benchmark counts answers and errors correctly."""

from __future__ import annotations

from argparse import Namespace

import pytest
from fastapi import FastAPI

from aiobreakglass import StoreUnavailableError
from aiobreakglass.testing import make_event
from benchmarks.stub import HELD
from benchmarks.web_load import WARM_UP, Tally, load, report

from .conftest import application, served
from .stores import FaultyStore

OPTIONS = Namespace(clients=3, backend="moto", delay=0)


@pytest.fixture
async def app(store: FaultyStore) -> FastAPI:
    """The application; each test serves it itself."""
    return application(store)


async def test_report_of_correct_answers_has_no_errors(
    app: FastAPI, store: FaultyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    await store.create(make_event(id=HELD.id))
    async with served(app) as url:
        tally, seconds = await load(url, clients=3, seconds=60, requests=30)
    assert len(tally.milliseconds) == 30
    report(tally, seconds, OPTIONS)
    assert "| 0 |" in capsys.readouterr().out


async def test_errors_and_wrong_answers_fail_the_run(app: FastAPI, store: FaultyStore) -> None:
    async with served(app) as url:
        wrong, _ = await load(url, clients=3, seconds=60, requests=30)
        store.failure = StoreUnavailableError("throttled")
        failed, seconds = await load(url, clients=3, seconds=60, requests=30)
    assert wrong.errors == {"the wrong answer": 30 + 3 * WARM_UP}
    assert failed.errors == {"status 503": 30 + 3 * WARM_UP}
    with pytest.raises(SystemExit, match="status 503"):
        report(failed, seconds, OPTIONS)


def test_run_without_requests_fails() -> None:
    with pytest.raises(SystemExit, match="not one request"):
        report(Tally(0), 1, OPTIONS)
