"""The clock of the stores whose events lapse."""

from __future__ import annotations

import pytest

from aiobreakglass.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
