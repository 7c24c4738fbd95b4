"""The simulation can fail: each mistake that is put into the store is found, by its kind."""

from __future__ import annotations

from typing import Final

import pytest

from tests.simulation.hunt import caught_by
from tests.simulation.mutants import MUTANTS
from tests.simulation.record import Kind

pytestmark = pytest.mark.slow

CAUGHT: Final = {
    "no-guard-condition": (1, Kind.STACKED),
    "unconditional-guard-delete": (1, Kind.STACKED),
    "guard-left-behind": (0, Kind.STACKED),
    "stale-update-accepted": (2, Kind.LOST),
    "version-left-out": (6, Kind.LOST),
    "status-left-out": (0, Kind.REOPENED),
    "terminal-reopened": (2, Kind.REOPENED),
    "unknown-reported-as-refusal": (1, Kind.LANDED),
    "check-then-put": (1, Kind.STACKED),
    "lapsed-access-granted": (2, Kind.UNTRUE),
    "memory-trusted": (1, Kind.UNTRUE),
    "extension-revives": (48, Kind.REVIVED),
    "extension-at-the-last-moment": (4, Kind.REVIVED),
    "unknown-hidden-by-a-corrupt-row": (139, Kind.LANDED),
    "unknown-forgotten-between-rounds": (1, Kind.LANDED),
    "server-error-taken-for-definite": (3, Kind.LANDED),
    "another-row-believed": (1, Kind.UNTRUE),
    "damaged-answer-believed": (0, Kind.UNTRUE),
    "conflict-taken-for-refusal": (1, Kind.UNTRUE),
    "answer-without-a-write": (1, Kind.LOST),
    "dated-at-the-beginning": (1, Kind.MISDATED),
    "version-not-moved-on": (1, Kind.MISDATED),
    "guard-removed-by-time": (0, Kind.STACKED),
    "tombstone-not-left": (0, Kind.LOST),
    "tombstone-overwritten": (30, Kind.REOPENED),
    "marked-before-its-time": (4, Kind.MISDATED),
    "evidence-not-compared": (4, Kind.LOST),
    "lapsed-holder-in-the-way": (1, Kind.UNTRUE),
    "entry-left-out": (0, Kind.UNRECORDED),
    "entry-in-a-second-request": (0, Kind.UNRECORDED),
    "head-not-pinned": (9, Kind.UNRECORDED),
    "revision-used-twice": (12, Kind.UNRECORDED),
    "change-of-others-hidden": (8, Kind.UNRECORDED),
    "adopted-row-without-its-first-entry": (8, Kind.UNRECORDED),
    "own-attempt-asked-of-the-event": (54, Kind.UNTRUE),
    "links-not-verified": (22, Kind.UNRECORDED),
    "stored-event-not-verified": (6, Kind.UNRECORDED),
    "remembered-event-not-read": (1, Kind.UNTRUE),
    "status-not-asked": (2, Kind.UNTRUE),
    "reads-not-consistent": (1, Kind.UNTRUE),
    "batch-not-finished": (9, Kind.UNTRUE),
    "sweep-starved-by-one-row": (0, Kind.STUCK),
    "sweep-ended-by-a-corrupt-row": (6, Kind.BROKEN),
    "slot-taken-without-its-condition": (6, Kind.EXCEEDED),
    "quota-off-by-one": (0, Kind.EXCEEDED),
    "window-by-created-at": (0, Kind.EXCEEDED),
    "use-not-counted": (0, Kind.EXCEEDED),
    "slot-taken-beforehand": (0, Kind.EXCEEDED),
    "debt-never-freed": (8, Kind.UNTRUE),
    "debt-freed-by-deletion": (0, Kind.EXCEEDED),
    "final-review-replaced": (1, Kind.REOPENED),
    "own-use-reviewed": (1, Kind.UNTRUE),
    "review-lost-by-the-ending": (0, Kind.LOST),
    "held-event-deleted": (1, Kind.FREED),
    "hold-that-leaves-a-ttl": (1, Kind.FREED),
    "hold-of-the-event-alone": (1, Kind.FREED),
    "second-step-on-a-released-event": (3, Kind.FREED),
    "extension-past-the-cap": (31, Kind.EXCEEDED),
    "update-around-the-cap": (13, Kind.EXCEEDED),
}
"""The seed of a history that finds each, and what it finds among others."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_store_with_a_mistake(mutant: str) -> None:
    """One history is enough."""
    seed, kind = CAUGHT[mutant]
    assert kind in {finding.kind for finding in caught_by(mutant, seed)}
