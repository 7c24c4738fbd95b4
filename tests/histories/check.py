"""Is a history linearizable: can its calls be put in one order that a single store would allow?

After Wing and Gong, with Lowe's memoisation ("Testing for linearizability", 2017): a depth-first
search through the orders that respect real time, which never visits the same set of calls with
the same state twice. Pairs share no rows, so each pair's calls are searched on their own.

The clock is part of the history: a call contains the instants that its store read, and the model
allows any of them. So clocks that disagree neither hide a violation nor cause a false one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Final

from tests.histories.model import OVERSIGHT, State, answer_to, holder, marked
from tests.histories.record import OK, UNAVAILABLE, UNKNOWN, Call, Version

SEARCH_LIMIT: Final = 200_000
"""How many nodes are visited before a pair is given up as undecided."""

_NEVER: Final = 1 << 63
_EXCERPT: Final = 8
_END: Final = "the end"


@dataclass(frozen=True)
class Verdict:
    """The result for the history of one pair."""

    pair: str
    calls: int
    visited: int
    problem: str = ""
    undecided: bool = False


def check(
    calls: list[Call], final: Mapping[str, Version | None], *, limit: int = SEARCH_LIMIT
) -> list[Verdict]:
    """Judge a history pair by pair; `final` is what the table holds at the end."""
    by_pair = attrgetter("pair")
    return [
        _Search(pair, _settled(list(group), final)).run(limit)
        for pair, group in groupby(sorted(calls, key=by_pair), by_pair)
    ]


def _settled(calls: list[Call], final: Mapping[str, Version | None]) -> list[Call]:
    """Return the calls in the order of their start, and reads of all events at the end.

    Other calls show what became of a call whose outcome is unknown. Each call leaves its own sign
    in the row, so it happened before its sign was seen. An id stays taken for ever, so a create
    never happened if its id is free at the end, nor a delete if its event is still there.
    """
    end = 1 + max(max(call.invoked, call.returned or 0) for call in calls)
    created = sorted({call.event_id for call in calls if call.kind == "create"})
    reads = [
        Call(
            caller=_END,
            kind="get",
            pair=calls[0].pair,
            event_id=event_id,
            # One after the other, because overlapping reads would only widen the search.
            invoked=end + 2 * place,
            returned=end + 2 * place + 1,
            answer=OK if version else "EventNotFoundError",
            seen_id=event_id if version else None,
            seen=version,
        )
        for place, event_id in enumerate(created)
        for version in [final.get(event_id)]
    ]
    signs = _signs([*calls, *reads])
    attempts = Counter(call.event_id for call in calls if call.kind == "create")
    settled = []
    for call in sorted(calls, key=attrgetter("invoked")):
        returned = call.returned
        answer = call.answer
        if answer == UNKNOWN:
            is_void = (call.kind == "create" and call.event_id not in final) or (
                call.kind == "delete" and final.get(call.event_id) is not None
            )
            if is_void:
                answer = UNAVAILABLE
            elif call.kind != "create" or attempts[call.event_id] == 1:
                returned = signs.get((call.event_id, _sign(call)))
                if returned is not None and call.kind == "update":
                    # The event is active still: a later attempt may mark it once it has lapsed.
                    settled.append(replace(call, answer=UNAVAILABLE))
        if call.kind not in ("get", "find") or answer not in (UNKNOWN, UNAVAILABLE):
            settled.append(replace(call, answer=answer, returned=returned))
    return settled + reads


def _signs(calls: list[Call]) -> dict[tuple[str, str], int]:
    """Return the latest time by which each sign was in its event's row."""
    signs: dict[tuple[str, str], int] = {}
    for call in calls:
        if call.seen_id is None or call.seen is None or call.returned is None:
            continue
        seen = call.seen
        signs_of = (seen.request_id, seen.closed_by, seen.reviewed_by, seen.held_by)
        for sign in filter(None, (seen.evidence, *signs_of)):
            key = (call.seen_id, sign)
            signs[key] = min(call.returned, signs.get(key, _NEVER))
    return signs


def _sign(call: Call) -> str:
    """Return what only this call can have put into the row of its event, if anything."""
    if call.asked is None:
        return ""
    if call.kind == "create":
        return call.asked.evidence
    sign = {
        "close": call.asked.closed_by,
        "update": call.asked.request_id,
        "review": call.asked.reviewed_by,
        "hold": call.asked.held_by,
    }.get(call.kind)
    return sign or ""


@dataclass(frozen=True, slots=True)
class _Node:
    """Some calls put in order, one bit each, and the state after them."""

    done: int
    latest: int
    """The latest invocation among them."""
    state: State
    last: Call | None = None
    """None: a lapsed event was marked."""
    before: _Node | None = None


class _Search:
    def __init__(self, pair: str, calls: list[Call]) -> None:
        self._pair = pair
        self._calls = calls
        self._required = sum(
            1 << index
            for index, call in enumerate(calls)
            if call.answer != UNAVAILABLE and call.returned is not None
        )
        self._ends = {
            call.seen_id: call.seen
            for call in calls
            if call.seen_id is not None
            and call.seen is not None
            and (call.seen.status != "active" or call.caller == _END)
        }
        self._overseen = {
            call.event_id
            for call in calls
            if call.kind in OVERSIGHT and call.answer in (OK, UNKNOWN)
        }
        self._kept = {call.seen_id for call in calls if call.caller == _END and call.seen_id}
        self._furthest = _Node(0, 0, {})

    def run(self, limit: int) -> Verdict:
        visited: set[tuple[int, frozenset[tuple[str, Version | None]]]] = set()
        stack = [self._furthest]
        while stack:
            node = stack.pop()
            key = (node.done, frozenset(node.state.items()))
            if key in visited or self._is_dead_end(node):
                continue
            visited.add(key)
            if node.done & self._required == self._required:
                return Verdict(self._pair, len(self._calls), len(visited))
            if len(visited) >= limit:
                return Verdict(self._pair, len(self._calls), len(visited), self._excerpt(), True)
            if self._progress(node) > self._progress(self._furthest):
                self._furthest = node
            stack += reversed(list(self._successors(node)))
        return Verdict(self._pair, len(self._calls), len(visited), self._excerpt())

    def _is_dead_end(self, node: _Node) -> bool:
        """Tell whether the pair's holder stays active to the end, although others must follow."""
        held = holder(node.state)
        end = None if held is None else self._ends.get(held[0])
        return end is not None and end.status == "active" and not self._kept <= node.state.keys()

    def _progress(self, node: _Node) -> int:
        return (node.done & self._required).bit_count()

    def _successors(self, node: _Node) -> Iterator[_Node]:
        """Yield what may come next: certain calls, then marks of lapsed events, then guesses."""
        signed: list[_Node] = []
        lapses: list[_Node] = []
        guesses: list[_Node] = []
        for index, call in self._candidates(node):
            is_open = not node.done >> index & 1 and call.answer != UNAVAILABLE
            for now in call.nows:
                lapsed = marked(call, now, node.state)
                if lapsed is not None and (state := self._foreseen(*lapsed)) is not None:
                    lapses.append(_Node(node.done, node.latest, state, None, node))
                if not is_open:
                    continue
                due = answer_to(call, now, node.state)
                if due.state is node.state:
                    state = due.state
                elif (state := self._foreseen(call.event_id, due.state)) is None:
                    continue
                latest = max(node.latest, call.invoked)
                after = _Node(node.done | 1 << index, latest, state, call, node)
                if due.is_given_to(call):
                    yield after
                elif call.answer == UNKNOWN and due.state is not node.state:
                    (guesses if call.returned is None else signed).append(after)
        yield from (*signed, *lapses, *guesses)

    def _foreseen(self, event_id: str, state: State) -> State | None:
        """Return the state, or None if an event ended in it as it was never seen to have ended.

        An ended event changes only in its review and its hold, so seeing it once tells how it
        ended, and also when, if it has neither. If nobody saw it, only its status matters.
        """
        version = state[event_id]
        if version is None or version.status == "active":
            return state
        end = self._ends.get(event_id)
        if end is None:
            return {**state, event_id: Version(version.status, 0, 0, "")}
        if event_id in self._overseen:
            version, end = version.ending, end.ending
        return state if version == end else None

    def _candidates(self, node: _Node) -> Iterator[tuple[int, Call]]:
        """Yield the calls that can be under way: no pending call ended before they began.

        They include calls already in order that have not returned, because those may still mark.
        """
        horizon = self._horizon(node)
        for index, call in enumerate(self._calls):
            if call.invoked > horizon:
                return
            if call.returned is None or call.returned >= node.latest:
                yield index, call

    def _horizon(self, node: _Node) -> int:
        horizon = _NEVER
        pending = self._required & ~node.done
        for index, call in enumerate(self._calls):
            if call.invoked > horizon:
                break
            if pending >> index & 1 and call.returned is not None:
                horizon = min(horizon, call.returned)
        return horizon

    def _excerpt(self) -> str:
        """Say how far an order was found, and why none of the next calls fits."""
        node: _Node | None = self._furthest
        lines: list[str] = []
        while node is not None and node.before is not None and len(lines) < _EXCERPT:
            told = (
                "(what has lapsed is marked)" if node.last is None else self._described(node.last)
            )
            lines.insert(0, f"  {told}")
            node = node.before
        lines.insert(0, f"{self._pair}: no order of the calls is possible. The longest ends with")
        lines.append("and then none of these can follow:")
        for index, call in self._candidates(self._furthest):
            if not self._furthest.done >> index & 1 and call.answer not in (UNKNOWN, UNAVAILABLE):
                due = answer_to(call, call.nows[-1], self._furthest.state)
                lines.append(f"  {self._described(call)}")
                lines.append(f"    but is due {_told(due.answer, due.seen_id, due.seen)}")
                if call.event_id in self._ends:
                    end = _told_version(self._ends[call.event_id])
                    lines.append(f"    and that event was seen to have ended as {end}")
        return "\n".join(lines)

    def _described(self, call: Call) -> str:
        start = self._calls[0].invoked
        times = [
            "..." if instant is None else f"{(instant - start) / 1e6:.3f}"
            for instant in (call.invoked, call.returned)
        ]
        asked = "" if call.asked is None else f" {_told_version(call.asked)}"
        return (
            f"[{times[0]} - {times[1]} ms, nows={call.nows}] {call.caller} {call.kind} "
            f"{call.event_id}{asked} -> {_told(call.answer, call.seen_id, call.seen)}"
        )


def _told(answer: str, seen_id: str | None, seen: Version | None) -> str:
    return answer if seen is None else f"{answer} {seen_id} {_told_version(seen)}"


def _told_version(version: Version) -> str:
    fields = version._asdict()
    del fields["evidence"]
    return "(" + ", ".join(f"{key}={value}" for key, value in fields.items() if value) + ")"
