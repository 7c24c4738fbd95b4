import pytest

# Without this, asserts in these modules would fail without showing their values.
pytest.register_assert_rewrite(f"{__name__}.calls", f"{__name__}.reader")
