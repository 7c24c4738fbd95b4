"""Write the table as a CloudFormation template; pure.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-dynamodb-table.html
"""

from __future__ import annotations

import json

from aiobreakglass._aws.transaction import Request
from aiobreakglass._dynamodb.layout import TableLayout
from aiobreakglass._table.definition import Definition, StreamView, check_definition


def cloudformation_template(
    table_name: str,
    *,
    layout: TableLayout | None = None,
    point_in_time_recovery: bool = True,
    deletion_protection: bool = True,
    kms_key: str | None = None,
    stream: StreamView | None = None,
) -> str:
    """Return a CloudFormation template, in JSON, that makes the table.

    A deleted stack leaves the table where it is. `verify_table`, with the same arguments, finds
    nothing in a table that was made so.

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
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The table of break-glass events {table_name}",
        "Resources": {
            "BreakGlassTable": {
                "Type": "AWS::DynamoDB::Table",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": _properties(definition),
            }
        },
        "Outputs": {
            "TableName": {"Value": {"Ref": "BreakGlassTable"}},
            "TableArn": {"Value": {"Fn::GetAtt": ["BreakGlassTable", "Arn"]}},
        },
    }
    return json.dumps(template, indent=2) + "\n"


def _properties(definition: Definition) -> Request:
    properties = definition.creation | {
        "TimeToLiveSpecification": definition.time_to_live,
        "PointInTimeRecoverySpecification": {
            "PointInTimeRecoveryEnabled": definition.point_in_time_recovery
        },
    }
    if definition.kms_key is not None:
        properties["SSESpecification"] = {
            "SSEEnabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": definition.kms_key,
        }
    if definition.stream is not None:
        # Here a stream that has a view is on.
        properties["StreamSpecification"] = {"StreamViewType": definition.stream}
    return properties
