"""CloudFormation's linter."""

from __future__ import annotations


def complaints(template: str) -> list[str]:
    """Return the errors and warnings about a template; the rest is advice."""
    # Most runs only collect the tests that need it, and it takes long to import.
    from cfnlint.api import lint_all  # type: ignore[import-untyped] # it comes without types

    return [str(match) for match in lint_all(template) if match.rule.id[0] in "EW"]
