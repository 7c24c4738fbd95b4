"""The pauses between attempts."""

from __future__ import annotations

import pytest

from aiobreakglass._back_off import back_off


@pytest.mark.parametrize(
    ("first", "longest", "failures", "pause"),
    [
        pytest.param(20, 300, 0, 20, id="no failure"),
        pytest.param(20, 300, 1, 40, id="doubled"),
        pytest.param(20, 300, 3, 160, id="doubled again"),
        pytest.param(20, 300, 4, 300, id="no longer than the longest"),
        pytest.param(600, 300, 9, 600, id="no shorter than the first"),
        pytest.param(1e-6, 300, 40, 300, id="from the shortest interval"),
        pytest.param(0.025, 1.0, 10**6, 1.0, id="more failures than a float can double"),
        pytest.param(8.64e13, 300, 10**6, 8.64e13, id="the longest interval there is"),
    ],
)
def test_pause_doubles_up_to_the_longest(
    first: float, longest: float, failures: int, pause: float
) -> None:
    """A pause doubles with each failure, up to a bound."""
    assert back_off(first, longest, failures) == pause
