"""The keys of a table and of its indexes; all of them are texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.simulation.dynamodb.refusals import RefusedError, invalid
from tests.simulation.dynamodb.values import AttributeValue, Item

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_PARTITION_KEY: Final = 2048
MAX_SORT_KEY: Final = 1024


class Schema(NamedTuple):
    """Which attributes are keys."""

    key: str
    """The table's partition key."""
    index_keys: Mapping[str, int]
    """The longest text, in bytes, of each attribute that is a key of an index."""


def only_key(key: Item, schema: Schema) -> str:
    """Return the key that a request names, or refuse it."""
    check_key_names(key, schema)
    return key_text(key[schema.key], schema.key)


def check_key_names(key: Item, schema: Schema) -> None:
    """Refuse a key of another table."""
    if len(key) != 1 or schema.key not in key:
        raise invalid("The provided key element does not match the schema")


def key_text(value: AttributeValue, name: str) -> str:
    """Return the text of a key, or refuse a value that can be none."""
    text = value.get("S")
    if text is None:
        raise invalid("Type mismatch for attribute to update")
    if not text:
        raise empty_key(name)
    if _is_longer(text, MAX_PARTITION_KEY):
        raise invalid(
            f"Hash primary key values must be under {MAX_PARTITION_KEY} bytes, and range primary "
            f"key values must be under {MAX_SORT_KEY} bytes"
        )
    return str(text)


def check_index_keys(item: Item, schema: Schema) -> None:
    """Refuse an item that an index cannot list as it should."""
    for name, longest in schema.index_keys.items():
        value = item.get(name)
        if value is None:
            continue
        text = value.get("S")
        if text is None:
            raise invalid(
                f"One or more parameter values were invalid: Type mismatch for Index Key {name}"
            )
        if not text:
            raise empty_key(name)
        if _is_longer(text, longest):
            raise invalid(
                f"One or more parameter values were invalid: Size of {name} has exceeded the "
                f"maximum size limit of {longest} bytes"
            )


def empty_key(name: str) -> RefusedError:
    """Return the refusal of a key without a text."""
    return invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute "
        f"cannot contain an empty string value. Key: {name}"
    )


def _is_longer(text: str, limit: int) -> bool:
    return len(text) * 4 > limit and len(text.encode()) > limit
