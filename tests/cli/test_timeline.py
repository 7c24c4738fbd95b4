"""Drawings of who held what."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiobreakglass import BreakGlassEvent, BreakGlassStatus
from aiobreakglass.cli.timeline import drawn, svg, timeline_of
from aiobreakglass.testing import make_event

BEGIN = datetime(2026, 11, 26, tzinfo=UTC)
END = BEGIN + timedelta(hours=24)
SVG = "{http://www.w3.org/2000/svg}"


def used(
    invoker: str, profile: str, first: float, last: float, event_id: str = "e5ee23033c0b4ce7"
) -> BreakGlassEvent:
    """A closed event between two hours of the day."""
    created, ended = BEGIN + timedelta(hours=first), BEGIN + timedelta(hours=last)
    return make_event(
        id=event_id,
        invoker=invoker,
        profile=profile,
        created_at=created,
        updated_at=ended,
        ended_at=ended,
        expires_at=created + timedelta(hours=4),
        status=BreakGlassStatus.CLOSED,
        closed_by="bob",
        closed_reason="Over",
    )


EVENTS = [
    used("bob", "prod", 12, 15),
    used("alice", "prod", 0, 3),
    used("alice", "prod", 20, 20.01),
    used("alice", "backup", -3, 0.5),
    used("carol", "prod", -4, 0),
]


def test_drawing_has_a_line_for_each_pair() -> None:
    """A line begins with who held what, and each use is a cell at least."""
    lines = timeline_of(EVENTS, BEGIN, END)
    assert drawn(lines, BEGIN, END, UTC, 62).splitlines() == [
        " " * 14 + "2026-11-26 00:00:00Z" + " " * 8 + "2026-11-27 00:00:00Z",
        "alice backup  █" + "·" * 47,
        "alice prod    ██████" + "·" * 34 + "█" + "·" * 7,
        "bob prod      " + "·" * 24 + "██████" + "·" * 18,
    ]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
def test_drawing_fits_the_terminal(width: int) -> None:
    """Names are shortened, and the bars keep enough cells to be read."""
    lines = timeline_of([used("a" * 60, "prod", 1, 2)], BEGIN, END)
    (_, line) = drawn(lines, BEGIN, END, UTC, width).splitlines()
    assert len(line) <= max(width, 30)
    assert "█" in line


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["alice", "bob"]),
            st.floats(-6, 24),
            st.floats(0.001, 4),
        ),
        max_size=5,
    ),
    st.integers(30, 200),
)
def test_bar_shows_each_use(uses: list[tuple[str, float, float]], width: int) -> None:
    """Whoever held access within the time has a mark, and nobody else has one."""
    events = [used(name, "prod", first, first + length) for name, first, length in uses]
    lines = timeline_of(events, BEGIN, END)
    held = {
        event.invoker
        for event in events
        if event.ended_at is not None and event.ended_at > BEGIN and event.created_at < END
    }
    assert {line.invoker for line in lines} == held
    for line in drawn(lines, BEGIN, END, UTC, width).splitlines()[1:]:
        assert "█" in line


def test_svg_stands_alone_and_describes_itself() -> None:
    """A report can include the drawing: it has a title, and loads and runs nothing."""
    hostile = used("mallory", "a&b", 1, 2).model_copy(update={"invoker": "<script>\x1b"})
    text = svg(timeline_of([hostile, *EVENTS], BEGIN, END), BEGIN, END, UTC)
    root = ET.fromstring(text)  # noqa: S314 - our own drawing
    assert root.get("role") == "img"
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert description.text == "5 uses of 4 pairs of person and profile. Each bar is one event."
    bars = [bar.findtext(f"{SVG}title") or "" for bar in root.iter(f"{SVG}rect")]
    assert [bar for bar in bars if bar.startswith(r"<script>\x1b a&b: event e5ee23033c0b4ce7")]
    assert "<script>" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_svg_of_nothing_is_a_drawing() -> None:
    assert ET.fromstring(svg([], BEGIN, END, UTC)).tag == f"{SVG}svg"  # noqa: S314 - as above
