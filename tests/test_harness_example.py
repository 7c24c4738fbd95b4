"""The example of a user's suite runs, and finds the race that it describes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "test_harness"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A copy of the example in another folder."""
    shutil.copytree(
        EXAMPLE, pytester.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    return pytester


def test_example_suite_passes(suite: pytest.Pytester) -> None:
    """A copy of the folder is a complete suite that runs as its README says, without warnings."""
    result = suite.runpytest_subprocess("-W", "error", "-v")
    assert result.parseoutcomes().keys() == {"passed"}
    result.stdout.fnmatch_lines_random(
        [
            "test_audited.py::TestContract::* PASSED*",
            "test_doorman.py::test_two_requests_at_once[[]breakglass_store] PASSED*",
            "test_doorman.py::test_two_requests_at_once[[]breakglass_dynamodb] PASSED*",
        ]
    )


def test_example_suite_fails_for_the_hasty_doorman(suite: pytest.Pytester) -> None:
    """The example's tests find its race, in memory and on DynamoDB."""
    tests = suite.path / "test_doorman.py"
    hasty = tests.read_text(encoding="utf-8").replace(
        "return Doorman(store", "return HastyDoorman(store"
    )
    tests.write_text(hasty, encoding="utf-8")
    result = suite.runpytest_inprocess("test_doorman.py", "-k", "requests_at_once")
    result.assert_outcomes(failed=2, passed=2)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED test_doorman.py::test_two_requests_at_once[[]breakglass_store] *",
            "FAILED test_doorman.py::test_two_requests_at_once[[]breakglass_dynamodb] *",
        ]
    )


def test_readme_of_the_example_names_every_file() -> None:
    """The README of the example names each of its files."""
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in EXAMPLE.iterdir() if path.is_file()} - {"README.md"}
    assert [file for file in sorted(files) if f"[{file}]({file})" not in readme] == []
