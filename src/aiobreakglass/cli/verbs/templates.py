"""The verbs that write the table as text: table cloudformation, terraform, alarms, policy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Final

import typer

from aiobreakglass import (
    TableRole,
    alarms_template,
    cloudformation_template,
    iam_policy,
    terraform_configuration,
)
from aiobreakglass._dynamodb.layout import TABLE_ARN
from aiobreakglass._table.definition import StreamView
from aiobreakglass._table.verify import table_arn
from aiobreakglass.cli.declaring import verb
from aiobreakglass.cli.invocation import Invocation, named_mistakes
from aiobreakglass.cli.statuses import Status

_PATIENCE: Final = timedelta(seconds=30)

PointInTimeRecovery = Annotated[
    bool, typer.Option(help="Whether the table should have point-in-time recovery.")
]
DeletionProtection = Annotated[
    bool, typer.Option(help="Whether the table should have deletion protection.")
]
KmsKey = Annotated[
    str | None,
    typer.Option(metavar="ARN", help="The KMS key that should encrypt the table; otherwise any."),
]
Stream = Annotated[
    StreamView | None,
    typer.Option(
        case_sensitive=False,
        help="What the stream of changes should show; otherwise there should be none.",
    ),
]
Role = Annotated[
    TableRole,
    typer.Argument(
        metavar="ROLE",
        case_sensitive=False,
        help=f"What the principal does: {', '.join(TableRole)}.",
    ),
]


def add_to(table: typer.Typer, panel: str) -> None:
    """Add these verbs to those of the table."""
    verb(table, "cloudformation", panel=panel, writes=False)(cloudformation)
    verb(table, "terraform", panel=panel, writes=False)(terraform)
    verb(table, "alarms", panel=panel, writes=False)(alarms)
    verb(table, "policy", panel=panel, writes=False)(policy)


def cloudformation(
    run: Invocation,
    point_in_time_recovery: PointInTimeRecovery = True,
    deletion_protection: DeletionProtection = True,
    kms_key: KmsKey = None,
    stream: Stream = None,
) -> Status:
    """Print a CloudFormation template, in JSON, that makes the table. It asks no server."""
    return _write(
        run,
        cloudformation_template,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
        kms_key=kms_key,
        stream=stream,
    )


def terraform(
    run: Invocation,
    point_in_time_recovery: PointInTimeRecovery = True,
    deletion_protection: DeletionProtection = True,
    kms_key: KmsKey = None,
    stream: Stream = None,
) -> Status:
    """Print a Terraform configuration, in HCL, that makes the table. It asks no server."""
    return _write(
        run,
        terraform_configuration,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
        kms_key=kms_key,
        stream=stream,
    )


def alarms(run: Invocation) -> Status:
    """Print a CloudFormation template, in JSON, with alarms for the table. It asks no server."""
    return _write(run, alarms_template)


def policy(run: Invocation, role: Role) -> Status:
    """Print the IAM policy, in JSON, that a role needs, and no more.

    The policy names the table's ARN. If the table is given by its name, DynamoDB is asked for the
    ARN, so the table must be there. With the ARN as --table it asks no server.
    """
    arn = run.table if TABLE_ARN.fullmatch(run.table) else run.run(_arn(run))
    return _print(run, iam_policy(role, arn, layout=run.settings.layout.value))


def _write(run: Invocation, template: Callable[..., str], **options: object) -> Status:
    """Print a text that needs the table's name and layout, and no server."""
    with named_mistakes():
        text = template(_name(run), layout=run.settings.layout.value, **options)
    return _print(run, text)


def _name(run: Invocation) -> str:
    """Return the table's name, also if its ARN is given."""
    return run.table.rpartition("/")[2] if TABLE_ARN.fullmatch(run.table) else run.table


def _print(run: Invocation, text: str) -> Status:
    run.output.objects([{"text": text}])
    run.output.verbatim(text.removesuffix("\n"))
    return Status.DONE


async def _arn(run: Invocation) -> str:
    async with run.client() as client, run.output.working("Reading"):
        return await table_arn(client, run.table, _PATIENCE)
