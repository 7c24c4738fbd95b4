"""The requests that the tests send, and how they read the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
from web_backend.problems import NAMESPACE

from .conftest import ID as ID
from .conftest import OPENING

REVIEW = {"outcome": "justified", "comment": "The log agrees"}


def named(response: httpx.Response) -> str:
    """Return the last part of a problem's `type`."""
    kind: str = response.json()["type"]
    return kind.removeprefix(NAMESPACE)


async def opened(client: httpx.AsyncClient, **fields: str) -> dict[str, Any]:
    response = await client.post("/api/events", json=OPENING | fields)
    assert response.status_code == 201
    event: dict[str, Any] = response.json()
    return event


async def is_allowed(client: httpx.AsyncClient, profile: str = "production") -> bool:
    response = await client.get("/api/access", params={"profile": profile})
    assert response.status_code == 200
    allowed: bool = response.json()["allowed"]
    return allowed


async def moved(client: httpx.AsyncClient, event_id: str, end: datetime) -> httpx.Response:
    return await client.patch(
        f"/api/events/{event_id}",
        json={"expires_at": end.isoformat()},
        headers={"if-match": "*"},
    )
