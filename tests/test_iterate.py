"""Going through the pages of a list."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from aiobreakglass import InMemoryStore, iterate


class Counting(InMemoryStore):
    """A store that counts what it is asked."""

    asked = 0

    async def list_by_status(self, *arguments: Any, **options: Any) -> Any:
        self.asked += 1
        return await super().list_by_status(*arguments, **options)


@pytest.mark.parametrize("key", [None, "active"])
def test_a_call_in_the_place_of_the_method(key: str | None) -> None:
    """It is refused at once, nothing is sent, and no coroutine is left that nobody awaits."""
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


async def test_a_page_in_the_place_of_the_method() -> None:
    """What a list method returns is no list method either."""
    page: Any = await InMemoryStore().list_by_status("active")
    with pytest.raises(TypeError, match="list_method must be a list method itself"):
        iterate(page, "active")


def test_a_method_without_what_to_list_by() -> None:
    """A list is always of something."""
    with pytest.raises(TypeError, match="key must be what to list by"):
        iterate(InMemoryStore().list_by_status)
