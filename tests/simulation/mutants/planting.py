"""What a mutant is made with."""

from __future__ import annotations

from collections.abc import Callable

from aiobreakglass import AsyncDynamoDBStore

Store = type[AsyncDynamoDBStore]

Plant = Callable[..., None]
"""Replaces functions of a module or class, by their names."""
