"""A bad disk, and the fixtures of tests/dynamodb for tests that need a table of DynamoDB's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aiobreakglass._evidence import files
from tests.dynamodb.conftest import client, clock, session, store, table_name

from .disk import Disk

__all__ = ["client", "clock", "disk", "session", "store", "table_name"]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Disk]:
    """Return a function that breaks the disk at one of its calls; 0 mends it."""

    def fail(at: int, *, stays_broken: bool = False) -> Disk:
        broken = Disk(at, stays_broken=stays_broken)
        monkeypatch.setattr(files, "os", broken)
        return broken

    return fail
