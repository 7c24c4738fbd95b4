"""Encode page cursors: opaque texts that name a query and the last event of a page.

A cursor has a tag over its content, an HMAC with the store's `cursor_key`. Without a key the tag
is a checksum, which detects accidents but not forgeries. A forged cursor can only name another
starting point within the same query, because the caller always gives the query itself.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any

from aiobreakglass._contract.arguments import Listing
from aiobreakglass._domain.fields import valid_event_id
from aiobreakglass._domain.timestamps import decode_time, encode_time

_VERSION = 1
_TAG_SIZE = 32


@dataclass(frozen=True, slots=True)
class Position:
    """The last event of the previous page."""

    created_at: str
    """The row's own text, because DynamoDB compares the text and not the instant."""
    event_id: str


def check_cursor_key(key: bytes | None) -> bytes | None:
    """Return the key if it can sign cursors or is None; raise otherwise."""
    if key is not None and not isinstance(key, bytes):
        raise TypeError(f"cursor_key must be bytes or None, not {type(key).__name__}")
    if key is not None and len(key) < 16:
        raise ValueError("cursor_key must have at least 16 bytes")
    return key


def encode_cursor(listing: Listing, position: Position, key: bytes | None) -> str:
    """Return the cursor for the page that follows a position in this query."""
    content = json.dumps(
        {**_scope(listing), "created_at": position.created_at, "id": position.event_id},
        separators=(",", ":"),
    ).encode()
    return base64.urlsafe_b64encode(_tag(content, key) + content).decode().rstrip("=")


def decode_cursor(cursor: str, listing: Listing, key: bytes | None) -> Position:
    """Return the position in a cursor, or raise `ValueError` if it is not of this query."""
    if not isinstance(cursor, str):
        raise TypeError(f"cursor must be a str or None, not {type(cursor).__name__}")
    content = _parsed(_verified_content(cursor, key))
    for name, expected in _scope(listing).items():
        if content.get(name) != expected:
            raise ValueError(f"cursor belongs to another query: its {name} differs")
    try:
        position = Position(content["created_at"], valid_event_id(content["id"]))
        decode_time(position.created_at)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("cursor names no event") from error
    if not listing.covers(position.created_at):
        raise ValueError("cursor lies outside the requested range of created_at")
    return position


def _verified_content(cursor: str, key: bytes | None) -> bytes:
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        content = sealed[_TAG_SIZE:]
        # Several Base64 texts can decode to the same bytes; only one of them is the cursor.
        genuine = base64.urlsafe_b64encode(sealed).decode().rstrip("=") == cursor
    except ValueError:
        genuine = False
    if not genuine or not hmac.compare_digest(sealed[:_TAG_SIZE], _tag(content, key)):
        raise ValueError(
            "cursor is not one that this store has given out; pass next_cursor as it is"
        )
    return content


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("cursor has no position") from None


def _scope(listing: Listing) -> dict[str, str | int | None]:
    return {
        "version": _VERSION,
        "field": listing.field,
        "value": listing.value,
        "since": None if listing.since is None else encode_time(listing.since),
        "until": None if listing.until is None else encode_time(listing.until),
    }


def _tag(content: bytes, key: bytes | None) -> bytes:
    return hmac.digest(key or b"", content, "sha256")
