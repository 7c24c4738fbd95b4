"""Compute how long to wait before trying again."""

from __future__ import annotations


def back_off(first: float, longest: float, failures: int) -> float:
    """Return a pause in seconds that doubles with each failure, up to the longest.

    The pause is never shorter than `first`, even if `first` is longer than `longest`.
    """
    # 64 doublings exceed any `longest`, and a float can hold the result.
    return max(first, min(longest, first * 2.0 ** min(failures, 64)))
