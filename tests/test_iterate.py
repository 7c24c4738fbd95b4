"""Iterating over the pages of a list."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from aiobreakglass import InMemoryStore, iterate


class Counting(InMemoryStore):
    """A store that counts its calls of `list_by_status`."""

    asked = 0

    async def list_by_status(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        return await super().list_by_status(*arguments, **options)


@pytest.mark.parametrize("key", [None, "active"])
def test_iterate_over_a_coroutine_is_refused(key: str | None) -> None:
    """A coroutine is refused at once and closed, and nothing is sent."""
    store = Counting()
    wrong: Any = store.list_by_status("active")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match=r'iterate\(store.list_by_status, "active"\)'):
            iterate(wrong, key)
        # Python warns of a coroutine that was never awaited when it goes away.
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            wrong.send(None)
        del wrong
    assert store.asked == 0


async def test_iterate_over_a_page_is_refused() -> None:
    """The result of a list method is not a list method."""
    page: Any = await InMemoryStore().list_by_status("active")
    with pytest.raises(TypeError, match="list_method must be a list method itself"):
        iterate(page, "active")


def test_iterate_without_a_key_is_refused() -> None:
    """A list needs a key to list by."""
    with pytest.raises(TypeError, match="key must be what to list by"):
        iterate(InMemoryStore().list_by_status)
