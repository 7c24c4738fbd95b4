"""Write the table as a Terraform configuration; pure.

https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/dynamodb_table
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aiobreakglass._aws.transaction import Request
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._table.definition import Definition, StreamView, check_definition


class _Block(NamedTuple):
    """A block of HCL; arguments come before the blocks within."""

    header: str
    arguments: Sequence[tuple[str, str | bool]]
    blocks: Sequence[_Block] = ()


def terraform_configuration(
    table_name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = True,
    deletion_protection: bool = True,
    kms_key: str | None = None,
    stream: StreamView | None = None,
) -> str:
    """Return a Terraform configuration, in HCL, that makes the table.

    Terraform refuses to destroy the table. The keys of the indexes are spelled as in version 6.30
    of Terraform's AWS provider and later. `verify_table`, with the same arguments, finds nothing
    in a table that was made so.

    Args:
        table_name: The name of the table.
        layout: The names that the table uses; None means the default names.
        point_in_time_recovery: Whether the table has point-in-time recovery.
        deletion_protection: Whether the table has deletion protection.
        kms_key: The ARN of the KMS key that encrypts the table; None means DynamoDB's own key.
        stream: What the stream of changes shows; None means that there is none.
    """
    definition = check_definition(
        table_name,
        layout,
        point_in_time_recovery=point_in_time_recovery,
        deletion_protection=deletion_protection,
        kms_key=kms_key,
        stream=stream,
    )
    provider = (
        "terraform {\n  required_providers {\n    aws = {\n"
        '      source  = "hashicorp/aws"\n      version = ">= 6.30"\n    }\n  }\n}\n'
    )
    outputs = (
        f'output "break_glass_table_{name}" {{\n'
        f"  value = aws_dynamodb_table.break_glass.{name}\n}}\n"
        for name in ("name", "arn")
    )
    table = "\n".join(_lines(_table(definition))) + "\n"
    return "\n".join([provider, table, *outputs])


def _table(definition: Definition) -> _Block:
    arguments: list[tuple[str, str | bool]] = [
        ("name", definition.name),
        ("billing_mode", "PAY_PER_REQUEST"),
        ("hash_key", definition.layout.partition_key),
        ("deletion_protection_enabled", definition.deletion_protection),
    ]
    if definition.stream is not None:
        arguments += [("stream_enabled", True), ("stream_view_type", definition.stream)]
    blocks = [
        *(_Block("attribute", [("name", name), ("type", "S")]) for name in definition.attributes),
        *map(_index, definition.creation["GlobalSecondaryIndexes"]),
        _Block("ttl", [("attribute_name", definition.layout.ttl_attribute), ("enabled", True)]),
        _Block("point_in_time_recovery", [("enabled", definition.point_in_time_recovery)]),
    ]
    if definition.kms_key is not None:
        key = ("kms_key_arn", definition.kms_key)
        blocks.append(_Block("server_side_encryption", [("enabled", True), key]))
    blocks.append(_Block("lifecycle", [("prevent_destroy", True)]))
    return _Block('resource "aws_dynamodb_table" "break_glass"', arguments, blocks)


def _index(index: Request) -> _Block:
    keys = [
        _Block(
            "key_schema",
            [("attribute_name", key["AttributeName"]), ("key_type", key["KeyType"])],
        )
        for key in index["KeySchema"]
    ]
    return _Block(
        "global_secondary_index",
        [("name", index["IndexName"]), ("projection_type", "ALL")],
        keys,
    )


def _lines(block: _Block) -> list[str]:
    """Return the lines of a block as `terraform fmt` writes them."""
    width = max(len(name) for name, _ in block.arguments)
    lines = [f"{name:{width}} = {literal(value)}" for name, value in block.arguments]
    for inner in block.blocks:
        lines += ["", *_lines(inner)]
    return [f"{block.header} {{", *(f"  {line}" if line else "" for line in lines), "}"]


def literal(value: str | bool) -> str:
    """Return a value as HCL writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'
