"""The simulation can fail: each mistake that is put into the store is found, by its kind."""

from __future__ import annotations

from typing import Final

import pytest

from tests.simulation.hunt import caught_by
from tests.simulation.mutants import MUTANTS
from tests.simulation.record import Kind

pytestmark = pytest.mark.slow

CAUGHT: Final = {
    "no-guard-condition": (0, Kind.STACKED),
    "unconditional-guard-delete": (0, Kind.STACKED),
    "guard-left-behind": (0, Kind.STACKED),
    "stale-update-accepted": (2, Kind.LOST),
    "version-left-out": (2, Kind.LOST),
    "status-left-out": (0, Kind.REOPENED),
    "terminal-reopened": (0, Kind.REOPENED),
    "unknown-reported-as-refusal": (0, Kind.LANDED),
    "check-then-put": (0, Kind.STACKED),
    "lapsed-access-granted": (1, Kind.UNTRUE),
    "memory-trusted": (0, Kind.UNTRUE),
    "extension-revives": (70, Kind.REVIVED),
    "extension-at-the-last-moment": (0, Kind.REVIVED),
    "unknown-hidden-by-a-corrupt-row": (168, Kind.LANDED),
    "unknown-forgotten-between-rounds": (0, Kind.LANDED),
    "server-error-taken-for-definite": (0, Kind.LANDED),
    "another-row-believed": (1, Kind.UNTRUE),
    "damaged-answer-believed": (0, Kind.UNTRUE),
    "conflict-taken-for-refusal": (2, Kind.UNTRUE),
    "answer-without-a-write": (0, Kind.LOST),
    "dated-at-the-beginning": (0, Kind.MISDATED),
    "version-not-moved-on": (0, Kind.MISDATED),
    "guard-removed-by-time": (0, Kind.STACKED),
    "tombstone-not-left": (0, Kind.LOST),
    "tombstone-overwritten": (0, Kind.REOPENED),
    "marked-before-its-time": (0, Kind.MISDATED),
    "evidence-not-compared": (0, Kind.LOST),
    "lapsed-holder-in-the-way": (0, Kind.UNTRUE),
    "entry-left-out": (0, Kind.UNRECORDED),
    "entry-in-a-second-request": (0, Kind.UNRECORDED),
    "head-not-pinned": (2, Kind.UNRECORDED),
    "revision-used-twice": (6, Kind.UNRECORDED),
    "change-of-others-hidden": (11, Kind.UNRECORDED),
    "adopted-row-without-its-first-entry": (11, Kind.UNRECORDED),
    "own-attempt-asked-of-the-event": (125, Kind.UNTRUE),
    "links-not-verified": (15, Kind.UNRECORDED),
    "stored-event-not-verified": (11, Kind.UNRECORDED),
    "remembered-event-not-read": (0, Kind.UNTRUE),
    "status-not-asked": (0, Kind.UNTRUE),
    "reads-not-consistent": (0, Kind.UNTRUE),
    "batch-not-finished": (1, Kind.UNTRUE),
    "sweep-starved-by-one-row": (0, Kind.STUCK),
    "sweep-ended-by-a-corrupt-row": (10, Kind.BROKEN),
}
"""The seed of a history that finds each, and what it finds among others."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_store_with_a_mistake(mutant: str) -> None:
    """One history is enough."""
    seed, kind = CAUGHT[mutant]
    assert kind in {finding.kind for finding in caught_by(mutant, seed)}
