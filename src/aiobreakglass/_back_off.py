"""How long to wait before trying again."""

from __future__ import annotations


def back_off(first: float, longest: float, failures: int) -> float:
    """Return a pause in seconds that doubles with each failure, up to the longest.

    It is never shorter than the first, even if that is longer than the longest.
    """
    # 64 doublings go past the longest from anywhere, and a float holds them.
    return max(first, min(longest, first * 2.0 ** min(failures, 64)))
