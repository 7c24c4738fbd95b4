import pytest

# Without this, failed asserts in these modules would not show their values.
pytest.register_assert_rewrite(f"{__name__}.calls", f"{__name__}.reader")
