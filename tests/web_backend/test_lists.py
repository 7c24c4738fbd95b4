"""Lists of events, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from aiobreakglass import CorruptItemError
from aiobreakglass.testing import make_event

from .stores import FaultyStore


class TestLists:
    @pytest.fixture
    async def past(self, store: FaultyStore) -> list[str]:
        """Seven closed events, newest first."""
        now = datetime.now(UTC)
        events = [
            make_event(status="closed", created_at=now - timedelta(days=day)) for day in range(7)
        ]
        for event in events:
            await store.create(event)
        return [event.id for event in events]

    @pytest.mark.parametrize(
        "key", [{"status": "closed"}, {"invoker": "alice"}, {"profile": "prod"}]
    )
    async def test_cursors_lead_through_all_pages(
        self, bob: httpx.AsyncClient, past: list[str], key: dict[str, str]
    ) -> None:
        ids: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            response = await bob.get("/api/events", params={**key, "limit": 3, **cursor})
            page = response.json()
            ids += [event["id"] for event in page["events"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert ids == past

    async def test_list_is_bounded_by_since_and_until(
        self, bob: httpx.AsyncClient, past: list[str]
    ) -> None:
        now = datetime.now(UTC)
        bounds = {
            "since": (now - timedelta(days=4.5)).isoformat(),
            "until": (now - timedelta(days=1.5)).isoformat(),
        }
        response = await bob.get("/api/events", params={"status": "closed", **bounds})
        assert [event["id"] for event in response.json()["events"]] == past[2:5]

    async def test_cursor_of_another_list_is_refused(
        self, bob: httpx.AsyncClient, past: list[str]
    ) -> None:
        page = (await bob.get("/api/events?status=closed&limit=3")).json()
        response = await bob.get(
            "/api/events", params={"invoker": "alice", "cursor": page["next_cursor"]}
        )
        assert response.status_code == 422

    @pytest.mark.parametrize(
        "key", [{"status": "closed"}, {"invoker": "alice"}, {"profile": "prod"}]
    )
    async def test_corrupt_row_is_counted_and_hides_no_event(
        self,
        bob: httpx.AsyncClient,
        past: list[str],
        store: FaultyStore,
        caplog: pytest.LogCaptureFixture,
        key: dict[str, str],
    ) -> None:
        """A list counts the corrupt row and hides no event; only the log has the row's key."""
        store.corrupt = (CorruptItemError("BREAKGLASS#0123456789abcdef", "no created_at"),)
        response = await bob.get("/api/events", params=key)
        page = response.json()
        assert [event["id"] for event in page["events"]] == past
        assert page["unreadable"] == 1
        assert "0123456789abcdef" not in response.text
        assert "0123456789abcdef" in caplog.text
