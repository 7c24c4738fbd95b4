"""Describe what is wrong with a table, and the request that repairs it; all pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore import xform_name

from aiobreakglass._aws.transaction import Request
from aiobreakglass._domain.finding import Finding


class State(NamedTuple):
    """What DynamoDB says about a table."""

    description: Mapping[str, Any]
    """The answer to DescribeTable."""
    time_to_live: Mapping[str, Any]
    """The answer to DescribeTimeToLive."""
    recovery: str | None
    """Whether point-in-time recovery is `ENABLED`; None if the endpoint does not know it."""
    region: str | None = None
    """Where the table is, for commands."""


class Repair(NamedTuple):
    """A request that repairs a table."""

    operation: str
    """DynamoDB's name of the operation, such as `UpdateTable`."""
    parameters: Request
    is_safe: bool
    """Whether it takes nothing away: no row, no index, and nobody's access."""

    def command(self, region: str | None) -> str:
        """Return the command that sends the same request."""
        words = ["aws", "dynamodb", xform_name(self.operation, "-")]
        if region is not None:
            words += ["--region", region]
        for name, value in self.parameters.items():
            option = f"--{xform_name(name, '-')}"
            text = value if isinstance(value, str) else json.dumps(value)
            if value is True:
                words.append(option)
            elif text.startswith("-"):
                # As a word of its own, it would be read as another option.
                words.append(f"{option}={text}")
            else:
                words += [option, text]
        return shlex.join(words)


class Problem(NamedTuple):
    """Something that is not as the definition says."""

    finding: Finding
    repair: Repair | None = None
    """None if no request repairs it."""
    rule: str = ""
    """What `create_table` says about it."""

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from other problems of the same table, in every state of the table."""
        return self.finding.kind, self.finding.subject
