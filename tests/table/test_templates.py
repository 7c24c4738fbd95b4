"""CloudFormation and Terraform say the same as `create_table` does."""

from __future__ import annotations

import json
from typing import Any

import hcl2
import pytest

from aiobreakglass import TableLayout, cloudformation_template, terraform_configuration
from aiobreakglass._table.definition import Definition, check_definition
from aiobreakglass._table.terraform import literal

from .linter import complaints
from .states import KEY

LAYOUT = TableLayout(
    partition_key="key", status_index="by-status", ttl_attribute="gone_at", review_index="queue"
)

ARGUMENTS: list[Any] = [
    pytest.param({}, id="defaults"),
    pytest.param({"point_in_time_recovery": False, "deletion_protection": False}, id="bare"),
    pytest.param({"layout": LAYOUT}, id="another layout"),
    pytest.param({"kms_key": KEY, "stream": "NEW_AND_OLD_IMAGES"}, id="key and stream"),
]


def defined(arguments: dict[str, Any]) -> Definition:
    protections: dict[str, Any] = {"point_in_time_recovery": True, "deletion_protection": True}
    layout = arguments.get("layout")
    others = {name: value for name, value in arguments.items() if name != "layout"}
    return check_definition("break-glass", layout, **(protections | others))


def cloudformation(arguments: dict[str, Any]) -> dict[str, Any]:
    template = json.loads(cloudformation_template("break-glass", **arguments))
    resource: dict[str, Any] = template["Resources"]["BreakGlassTable"]
    return resource


def terraform(arguments: dict[str, Any]) -> dict[str, Any]:
    options = hcl2.SerializationOptions(explicit_blocks=False, strip_string_quotes=True)
    text = terraform_configuration("break-glass", **arguments)
    (resource,) = hcl2.loads(text, serialization_options=options)["resource"]
    table: dict[str, Any] = resource["aws_dynamodb_table"]["break_glass"]
    return table


def as_properties(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of Terraform's as the properties of CloudFormation's."""
    (ttl,), (recovery,) = table["ttl"], table["point_in_time_recovery"]
    properties = {
        "TableName": table["name"],
        "BillingMode": table["billing_mode"],
        "DeletionProtectionEnabled": table["deletion_protection_enabled"],
        "AttributeDefinitions": [
            {"AttributeName": it["name"], "AttributeType": it["type"]} for it in table["attribute"]
        ],
        "KeySchema": [{"AttributeName": table["hash_key"], "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": index["name"],
                "KeySchema": [
                    {"AttributeName": key["attribute_name"], "KeyType": key["key_type"]}
                    for key in index["key_schema"]
                ],
                "Projection": {"ProjectionType": index["projection_type"]},
            }
            for index in table["global_secondary_index"]
        ],
        "TimeToLiveSpecification": {
            "AttributeName": ttl["attribute_name"],
            "Enabled": ttl["enabled"],
        },
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery["enabled"]},
    }
    for encryption in table.get("server_side_encryption", ()):
        properties["SSESpecification"] = {
            "SSEEnabled": encryption["enabled"],
            "SSEType": "KMS",
            "KMSMasterKeyId": encryption["kms_key_arn"],
        }
    if table.get("stream_enabled"):
        properties["StreamSpecification"] = {"StreamViewType": table["stream_view_type"]}
    return properties


class TestTemplates:
    @pytest.mark.parametrize("arguments", ARGUMENTS)
    def test_cloudformation_makes_the_table_of_create_table(
        self, arguments: dict[str, Any]
    ) -> None:
        """Whatever CreateTable takes is the same; TTL and recovery are additional."""
        definition = defined(arguments)
        properties = cloudformation(arguments)["Properties"]
        assert properties.pop("TimeToLiveSpecification") == definition.time_to_live
        assert properties.pop("PointInTimeRecoverySpecification") == {
            "PointInTimeRecoveryEnabled": definition.point_in_time_recovery
        }
        creation = definition.creation
        assert properties.pop("SSESpecification", None) == (
            {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
            if creation.pop("SSESpecification", None)
            else None
        )
        assert properties.pop("StreamSpecification", {}).get("StreamViewType") == (
            creation.pop("StreamSpecification", {}).get("StreamViewType")
        )
        assert properties == creation

    @pytest.mark.parametrize("arguments", ARGUMENTS)
    def test_terraform_makes_the_table_of_cloudformation(self, arguments: dict[str, Any]) -> None:
        """Each attribute, index and protection is the same in both."""
        assert as_properties(terraform(arguments)) == cloudformation(arguments)["Properties"]

    def test_neither_deletes_the_table(self) -> None:
        """A stack that is deleted, or a plan that would replace the table, keeps the evidence."""
        resource = cloudformation({})
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain",) * 2
        assert terraform({})["lifecycle"] == [{"prevent_destroy": True}]

    @pytest.mark.slow
    def test_cloudformation_passes_its_linter(self) -> None:
        """There is no error and no warning in a template with all that one can have."""
        template = cloudformation_template("break-glass", kms_key=KEY, stream="NEW_AND_OLD_IMAGES")
        assert complaints(template) == []

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            (True, "true"),
            (False, "false"),
            ("pk", '"pk"'),
            ('a"b', r'"a\"b"'),
            ("a\\b", r'"a\\b"'),
            ("${a}", '"$${a}"'),
            ("%{a}", '"%%{a}"'),
        ],
    )
    def test_value_is_written_as_hcl_reads_it(self, value: str | bool, written: str) -> None:
        """Names of attributes may have any visible character; HCL fills templates in texts."""
        assert literal(value) == written

    @pytest.mark.parametrize("text", [cloudformation_template, terraform_configuration])
    def test_wrong_argument_is_refused(self, text: Any) -> None:
        """The error names the argument."""
        with pytest.raises(ValueError, match=r"^table_name must be 3 to 255"):
            text("no/table")
        with pytest.raises(ValueError, match=r"^kms_key must be the ARN"):
            text("break-glass", kms_key="alias/mine")
