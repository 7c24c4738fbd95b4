"""A name for a table that is made here."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture
def name() -> str:
    """The name of a table that is not there yet."""
    return f"breakglass-{uuid4().hex}"
