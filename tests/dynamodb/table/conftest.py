"""The name of the table that a test creates."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture
def name() -> str:
    """Return the name of a table that does not exist yet."""
    return f"breakglass-{uuid4().hex}"
