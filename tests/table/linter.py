"""CloudFormation's linter."""

from __future__ import annotations

from cfnlint.api import lint_all  # type: ignore[import-untyped] # it comes without types


def complaints(template: str) -> list[str]:
    """Return the errors and warnings about a template; the rest is advice."""
    return [str(match) for match in lint_all(template) if match.rule.id[0] in "EW"]
