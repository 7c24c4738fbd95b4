"""All of this library's randomness, from one source: ids, tokens, and what spreads load."""

from __future__ import annotations

from contextvars import ContextVar
from random import Random, SystemRandom
from typing import Final

source: Final[ContextVar[Random]] = ContextVar(
    "aiobreakglass_randomness",
    default=SystemRandom(),  # noqa: B039 - it has no state
)
"""The operating system's, unless a simulation sets a seeded one in its own context."""


def token(size: int) -> str:
    """Return so many fresh random bytes, as hexadecimal text."""
    return source.get().randbytes(size).hex()
