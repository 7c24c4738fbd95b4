"""Test the contract of cursors: they work only unchanged, and only for their own query."""

from __future__ import annotations

import pytest

from aiobreakglass import BreakGlassStore
from aiobreakglass.testing._contract_lists import before, history, minutes, on_each_list


class CursorsContract:
    """Cursors work only unchanged, and only for their own query."""

    @on_each_list
    async def test_changed_or_foreign_cursor_is_refused(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """A changed or foreign cursor is refused."""
        await history(store, *minutes(range(3)))
        cursor = (await getattr(store, method)(key, 1)).next_cursor
        parts = (cursor[:-1], cursor[1:], cursor[: len(cursor) // 2])
        foreign = ("not a cursor", "eyJpZCI6ICIwMTIzNDU2Nzg5YWJjZGVmIn0=")
        for forged in ("", *parts, *foreign, cursor * 2, f" {cursor}", f"{cursor}é"):
            with pytest.raises(ValueError, match="cursor"):
                await getattr(store, method)(key, 1, cursor=forged)

    @on_each_list
    async def test_cursor_of_another_query_is_refused(
        self, store: BreakGlassStore, method: str, key: str
    ) -> None:
        """A cursor is valid only for its own list, key and time range."""
        await history(store, *minutes(range(3)))
        cursor = (await getattr(store, method)(key, 1)).next_cursor
        for other_method, other_key, query in [
            ("list_by_invoker", "bob", {}),
            ("list_by_profile", "staging", {}),
            ("list_by_status", "expired", {}),
            ("list_by_profile" if method == "list_by_invoker" else "list_by_invoker", key, {}),
            (method, key, {"since": before(9)}),
            (method, key, {"until": before(-9)}),
        ]:
            with pytest.raises(ValueError, match="cursor"):
                await getattr(store, other_method)(other_key, cursor=cursor, **query)
