"""The keys of a table and of its indexes; all of them are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.simulation.dynamodb.refusals import invalid
from tests.simulation.dynamodb.values import ORDERED, AttributeValue, Item, canonical, kind_of

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_PARTITION_KEY: Final = 2048
MAX_SORT_KEY: Final = 1024

_EMPTY: Final = {"S": "string", "B": "binary"}


class Schema(NamedTuple):
    """Which attributes are keys."""

    key: str
    """The table's partition key."""
    index_keys: Mapping[str, int]
    """The longest text, in bytes, of each attribute that is a key of an index."""


def only_key(key: Item, schema: Schema) -> str:
    """Return the key that a read names, or refuse it."""
    check_key(key, schema)
    return key_text(key[schema.key])


def check_key(key: Item, schema: Schema) -> None:
    """Refuse what can be no key of this table."""
    if len(key) != 1 or schema.key not in key:
        raise invalid("The provided key element does not match the schema")
    check_key_value(schema.key, key[schema.key])


def check_key_value(name: str, value: AttributeValue) -> None:
    """Refuse a value that can be no key of any table."""
    kind = kind_of(canonical(value))
    if kind not in ORDERED:
        raise invalid(f"One or more parameter values were invalid: {name} is of type {kind}")
    if not value[kind]:
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute "
            f"cannot contain an empty {_EMPTY[kind]} value. Key: {name}"
        )


def key_text(value: AttributeValue) -> str:
    """Return the text of a key, or refuse a value that is none, or too long."""
    text = value.get("S")
    if text is None:
        raise invalid("Type mismatch for attribute to update")
    if _is_longer(text, MAX_PARTITION_KEY):
        raise invalid(
            f"Hash primary key values must be under {MAX_PARTITION_KEY} bytes, and range primary "
            f"key values must be under {MAX_SORT_KEY} bytes"
        )
    return str(text)


def check_index_values(item: Item, schema: Schema) -> None:
    """Refuse values that can be no keys of any index."""
    for name in schema.index_keys:
        value = item.get(name)
        # The hot path: a text that is not empty is a key.
        if value is not None and not (len(value) == 1 and value.get("S")):
            check_key_value(name, value)


def check_index_keys(item: Item, schema: Schema) -> None:
    """Refuse keys of an index that are no texts, or too long."""
    for name, longest in schema.index_keys.items():
        if name not in item:
            continue
        text = item[name].get("S")
        if text is None:
            raise invalid(
                f"One or more parameter values were invalid: Type mismatch for Index Key {name}"
            )
        if _is_longer(text, longest):
            raise invalid(
                f"One or more parameter values were invalid: Size of {name} has exceeded the "
                f"maximum size limit of {longest} bytes"
            )


def _is_longer(text: str, limit: int) -> bool:
    return len(text) * 4 > limit and len(text.encode()) > limit
