"""Define labels: short facts about an event, such as a ticket or a team, that never change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, GetCoreSchemaHandler, GetPydanticSchema, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from aiobreakglass._domain.fields import SURROGATE, is_as_read, valid_name

_KEY = re.compile("[a-z][a-z0-9_.-]{0,62}")
_MOST_LABELS: Final = 16
_MOST_BYTES: Final = 2048


class Labels(Mapping[str, str]):
    """An immutable mapping, so that events stay immutable and can be hashed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)

    def __reduce__(self) -> tuple[type[Labels], tuple[dict[str, str]]]:
        # Pickle's oldest protocols cannot store slots by themselves.
        return Labels, (self._values,)


NO_LABELS: Final = Labels()


def _as_read_or_written(labels: Labels, info: ValidationInfo) -> Labels:
    """Apply the rules for writing; for reading, only refuse what no writer can have stored."""
    try:
        check_labels(labels)
    except ValueError:
        is_text = not any(map(SURROGATE.search, [*labels, *labels.values()]))
        if not (is_text and is_as_read(info)):
            raise
    return labels


def check_labels(labels: Labels) -> None:
    """Raise `ValueError` with the first rule for writing that labels break."""
    if len(labels) > _MOST_LABELS:
        raise ValueError(f"must have at most {_MOST_LABELS} labels")
    for key, value in labels.items():
        if not _KEY.fullmatch(key):
            raise ValueError(
                "must have keys of 1 to 63 of a-z 0-9 _ . -, the first of them a letter"
            )
        try:
            valid_name(value)
        except ValueError as error:
            raise ValueError(f"must have values that {error}") from None
    if sum(len(text.encode()) for pair in labels.items() for text in pair) > _MOST_BYTES:
        raise ValueError(f"must have at most {_MOST_BYTES} UTF-8 bytes in keys and values")


def _schema(_source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
    text = core_schema.str_schema(strict=True)
    texts = core_schema.dict_schema(text, text)
    return core_schema.no_info_after_validator_function(
        Labels,
        core_schema.json_or_python_schema(
            texts, core_schema.no_info_before_validator_function(_as_dict, texts)
        ),
        serialization=core_schema.plain_serializer_function_ser_schema(dict),
    )


def _as_dict(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


LabelMapping = Annotated[
    Mapping[str, str], GetPydanticSchema(_schema), AfterValidator(_as_read_or_written)
]
