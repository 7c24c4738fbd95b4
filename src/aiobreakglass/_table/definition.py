"""Define the table once: its keys, its indexes and its protections; all pure.

`create_table` requests it, `verify_table` compares with it, and the templates write it as text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

from aiobreakglass._aws.transaction import Request
from aiobreakglass._dynamodb.layout import TableLayout, check_layout, check_table_name

StreamView = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]

_KMS_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]{1,128}", re.ASCII)

_SORT_KEY: Final = "created_at"
"""The sort key of every index."""


class Definition(NamedTuple):
    """What a table should be."""

    name: str
    layout: TableLayout
    point_in_time_recovery: bool
    deletion_protection: bool
    kms_key: str | None = None
    """The ARN of the key that encrypts the table; None means any."""
    stream: StreamView | None = None
    """What the stream of changes shows; None means that nobody needs a stream."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that are keys of the table or of an index, all of type S."""
        return (self.layout.partition_key, *self.layout.indexes.values(), _SORT_KEY)

    @property
    def creation(self) -> Request:
        """The parameters of CreateTable, which knows nothing of TTL and recovery."""
        request: Request = {
            "TableName": self.name,
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": self.deletion_protection,
            "AttributeDefinitions": [attribute_definition(name) for name in self.attributes],
            "KeySchema": key_schema(self.layout.partition_key),
            "GlobalSecondaryIndexes": [
                index_definition(self.layout, index) for index in self.layout.indexes
            ],
        }
        if self.kms_key is not None:
            request["SSESpecification"] = self.encryption
        if self.stream is not None:
            request["StreamSpecification"] = self.streaming
        return request

    @property
    def time_to_live(self) -> Request:
        """The specification that turns TTL on."""
        return {"AttributeName": self.layout.ttl_attribute, "Enabled": True}

    @property
    def encryption(self) -> Request:
        """The specification that encrypts the table with its key."""
        return {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": self.kms_key}

    @property
    def streaming(self) -> Request:
        """The specification that turns the stream on."""
        return {"StreamEnabled": True, "StreamViewType": self.stream}


def check_definition(
    table_name: str,
    layout: TableLayout | None,
    *,
    point_in_time_recovery: bool,
    deletion_protection: bool,
    kms_key: str | None = None,
    stream: StreamView | None = None,
) -> Definition:
    """Return the definition of a table, or raise with the argument that is wrong."""
    if kms_key is not None:
        if not isinstance(kms_key, str):
            raise TypeError(f"kms_key must be a str or None, not {type(kms_key).__name__}")
        if not _KMS_KEY.fullmatch(kms_key):
            raise ValueError("kms_key must be the ARN of a KMS key, not an alias")
    if stream is not None and stream not in get_args(StreamView):
        raise ValueError(f"stream must be None or one of {', '.join(get_args(StreamView))}")
    return Definition(
        check_table_name(table_name),
        TableLayout() if layout is None else check_layout(layout),
        point_in_time_recovery,
        deletion_protection,
        kms_key,
        stream,
    )


def attribute_definition(name: str) -> Request:
    """Return how DynamoDB declares an attribute that is a key."""
    return {"AttributeName": name, "AttributeType": "S"}


def key_schema(partition_key: str, sort_key: str | None = None) -> list[Request]:
    """Return how DynamoDB declares keys."""
    schema = [{"AttributeName": partition_key, "KeyType": "HASH"}]
    if sort_key is not None:
        schema.append({"AttributeName": sort_key, "KeyType": "RANGE"})
    return schema


def index_definition(layout: TableLayout, index: str) -> Request:
    """Return how DynamoDB declares one of the indexes."""
    return {
        "IndexName": index,
        "KeySchema": key_schema(layout.indexes[index], _SORT_KEY),
        "Projection": {"ProjectionType": "ALL"},
    }


def index_creation(definition: Definition, index: str, description: Mapping[str, Any]) -> Request:
    """Return the parameters of UpdateTable that add an index to a table.

    Args:
        definition: What the table should be.
        index: The name of the index.
        description: DynamoDB's description of the table.
    """
    created = index_definition(definition.layout, index)
    throughput = description.get("ProvisionedThroughput")
    if throughput and not _is_billed_on_demand(description):
        # Such a table needs a throughput for each index; all of ours see the same writes.
        units = ("ReadCapacityUnits", "WriteCapacityUnits")
        created["ProvisionedThroughput"] = {name: throughput[name] for name in units}
    keys = (definition.layout.partition_key, definition.layout.indexes[index], _SORT_KEY)
    return {
        "TableName": definition.name,
        "AttributeDefinitions": [attribute_definition(name) for name in keys],
        "GlobalSecondaryIndexUpdates": [{"Create": created}],
    }


def _is_billed_on_demand(description: Mapping[str, Any]) -> bool:
    billing = description.get("BillingModeSummary", {})
    return bool(billing.get("BillingMode") == "PAY_PER_REQUEST")
