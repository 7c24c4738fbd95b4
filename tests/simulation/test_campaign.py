"""Campaigns that were cut short and go on, also after something was mended."""

from __future__ import annotations

import pickle
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.simulation import campaign as campaigns
from tests.simulation.campaign import Figures, campaign
from tests.simulation.record import Finding, Kind

pytestmark = pytest.mark.slow

SEED = 7


def test_campaign_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its figures are those of one run, but for the time that it took."""
    monkeypatch.setattr(campaigns, "_BATCH", 1)
    whole = campaign(SEED, operations=700, processes=1)
    cut_short = campaign(SEED, operations=1, processes=1)
    assert 0 < cut_short.histories < whole.histories
    kept = pickle.loads(pickle.dumps(cut_short))  # noqa: S301 - our own
    assert replace(campaign(SEED, 700, 1, figures=kept), took=0) == replace(whole, took=0)


def test_campaign_that_has_its_operations() -> None:
    """Nothing more is lived."""
    figures = Figures(histories=3, operations=1000)
    assert campaign(SEED, 1000, 1, figures=replace(figures)) == figures


def test_history_that_a_mended_check_finds_right() -> None:
    """It has failed no more."""
    figures = Figures(failures=[(SEED, [Finding(Kind.LOST, "a row")])])
    assert figures.wrong == {Kind.LOST: 1}
    figures.judge_again()
    assert figures.failures == []
    assert figures.wrong.total() == 0


def test_history_that_still_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with it now takes the place of what was."""
    found = [Finding(Kind.STACKED, "two events"), Finding(Kind.STACKED, "two others")]
    monkeypatch.setattr(campaigns, "judged", lambda _: SimpleNamespace(findings=found))
    figures = Figures(failures=[(SEED, [Finding(Kind.LOST, "a row")])])
    figures.judge_again()
    assert figures.failures == [(SEED, found)]
    assert figures.wrong == {Kind.STACKED: 2}
