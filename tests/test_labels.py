"""The labels of an event on their way to another process."""

from __future__ import annotations

import copy
import pickle
from collections.abc import MutableMapping
from typing import Any

import pytest

from aiobreakglass import BreakGlassEvent
from aiobreakglass.testing import make_event

LABELS = [{}, {"team": "db"}, {"team": "db", "ticket": "OPS-7 \u20ac"}]


def copies(value: Any) -> dict[str, Any]:
    """Return all copies of a value that the standard library makes."""
    protocols = range(pickle.HIGHEST_PROTOCOL + 1)
    pickled = {f"protocol {each}": pickle.dumps(value, each) for each in protocols}
    return {
        **{name: pickle.loads(text) for name, text in pickled.items()},  # noqa: S301 - what was pickled here
        "copy": copy.copy(value),
        "deepcopy": copy.deepcopy(value),
    }


@pytest.mark.parametrize("labels", LABELS)
def test_labels_survive_copying(labels: dict[str, str]) -> None:
    """Labels can be copied, also by the oldest protocol of pickle, and stay immutable."""
    original = make_event(labels=labels).labels
    for name, copied in copies(original).items():
        assert type(copied) is type(original), name
        assert copied == original == labels, name
        assert hash(copied) == hash(original), name
        assert list(copied) == list(original), name
        assert not isinstance(copied, MutableMapping), name


@pytest.mark.parametrize("labels", LABELS)
def test_event_with_labels_survives_copying(labels: dict[str, str]) -> None:
    """An event with labels can go to another process."""
    event = make_event(labels=labels)
    for name, copied in copies(event).items():
        assert type(copied) is BreakGlassEvent, name
        assert copied == event, name
        assert (copied.labels, hash(copied)) == (labels, hash(event)), name
