"""Marks for tests of what the oldest dependencies do not do."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from packaging.version import Version


def needs_aiobotocore(oldest: str, reason: str) -> pytest.MarkDecorator:
    """Skip a test with an older aiobotocore."""
    return pytest.mark.skipif(Version(version("aiobotocore")) < Version(oldest), reason=reason)
