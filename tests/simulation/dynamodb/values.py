"""Attribute values: checked, measured, and brought into one spelling.

In that spelling equal values are equal dicts: numbers are plain and trimmed, sets are sorted.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from tests.simulation.dynamodb.refusals import invalid

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

KINDS: Final = frozenset({"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"})
ORDERED: Final = frozenset({"S", "N", "B"})
"""Kinds that `<` and its like compare."""

MAX_ITEM: Final = 400 * 1024
_MAX_DEPTH: Final = 32
_PRECISION: Final = Context(prec=38, traps=[Inexact, InvalidOperation])
_LARGEST: Final = Decimal("9." + "9" * 37 + "E+125")
_SMALLEST: Final = Decimal("1E-130")
_SETS: Final = {"SS": "S", "NS": "N", "BS": "B"}


def kind_of(value: AttributeValue) -> str:
    """Return the kind of a value."""
    return next(iter(value))


def canonical_item(item: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    """Return values in their one spelling, in the same mapping if they have it already."""
    changed: Item | None = None
    for name, value in item.items():
        # Most values are texts, and this is the hot path of every write.
        if len(value) == 1 and "S" in value:
            continue
        spelt = canonical(value)
        if spelt is not value:
            changed = dict(item) if changed is None else changed
            changed[name] = spelt
    return item if changed is None else changed


def canonical(value: AttributeValue, depth: int = 0) -> AttributeValue:
    """Return the one spelling of a value, or refuse it."""
    if len(value) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one "
            "of the supported datatypes"
            if value
            else "Supplied AttributeValue is empty, must contain exactly one of the supported "
            "datatypes"
        )
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B" | "BOOL":
            return value
        case "N":
            number = canonical_number(content)
            return value if number == content else {"N": number}
        case "NULL":
            if content is not True:
                raise invalid(
                    "One or more parameter values were invalid: Null attribute value types must "
                    "have the value of true"
                )
            return value
        case "SS" | "NS" | "BS":
            return {kind: _canonical_set(kind, content)}
    if depth >= _MAX_DEPTH - 1:
        raise invalid("Nesting Levels have exceeded supported limits")
    if kind == "L":
        return {"L": [canonical(each, depth + 1) for each in content]}
    return {"M": {name: canonical(each, depth + 1) for name, each in content.items()}}


@lru_cache(maxsize=1 << 14)
def canonical_number(text: str) -> str:
    """Return a number without superfluous zeros and without an exponent."""
    try:
        number = _PRECISION.create_decimal(text)
    except Inexact:
        raise invalid("Attempting to store more than 38 significant digits in a Number") from None
    except DecimalException:
        number = Decimal("NaN")
    if not number.is_finite() or text != text.strip() or "_" in text:
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    # `abs` would round, by the context of the thread.
    if number.copy_abs() > _LARGEST:
        raise invalid(
            "Number overflow. Attempting to store a number with magnitude larger than "
            "supported range"
        )
    if number and number.copy_abs() < _SMALLEST:
        raise invalid(
            "Number underflow. Attempting to store a number with magnitude smaller "
            "than supported range"
        )
    return format(number.normalize(_PRECISION), "f") if number else "0"


def order_of(value: AttributeValue) -> Any:
    """Return by what values of one kind are compared.

    Texts are compared by their UTF-8 bytes, which is the order of their code points.
    """
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content


def item_size(item: Mapping[str, AttributeValue]) -> int:
    """Return how many bytes an item counts.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    total = 0
    for name, value in item.items():
        text = value.get("S")
        total += _length(name)
        total += size(value) if text is None else _length(text)
    return total


def fits(item: Mapping[str, AttributeValue]) -> bool:
    """Tell whether an item is within the limit for items."""
    # The hot path of every write: most items are far from it.
    most = sum(map(len, item))
    for value in item.values():
        text = value.get("S")
        if text is not None:
            most += len(text)
        elif "N" not in value and "BOOL" not in value:
            most = MAX_ITEM
    return most * 4 + len(item) * 20 <= MAX_ITEM or item_size(item) <= MAX_ITEM


def size(value: AttributeValue) -> int:
    """Return how many bytes a value counts."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return _length(content)
        case "B":
            return len(content)
        case "N":
            return _number_size(content)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + size(each) for each in content)
        case "M":
            return 3 + sum(1 + _length(name) + size(each) for name, each in content.items())
    return sum(size({_SETS[kind]: each}) for each in content)


def extent(value: AttributeValue) -> int | None:
    """Return what the function `size` says of a value; None if it has no say.

    Of a text it is the number of UTF-16 units, as DynamoDB Local counts.
    """
    ((kind, content),) = value.items()
    if kind in ("N", "BOOL", "NULL"):
        return None
    return len(content.encode("utf-16-le")) // 2 if kind == "S" else len(content)


def _canonical_set(kind: str, content: list[Any]) -> list[Any]:
    if not content:
        raise invalid(
            "One or more parameter values were invalid: An "
            f"{_SET_NAMES[kind]} set  may not be empty"
        )
    members = [canonical_number(each) for each in content] if kind == "NS" else content
    if len(set(members)) != len(members):
        raise invalid(
            "One or more parameter values were invalid: Input collection "
            f"{content} contains duplicates."
        )
    if kind != "NS" and not all(members):
        raise invalid(
            f"One or more parameter values were invalid: An {_SET_NAMES[kind]} set may not have "
            "a empty value as a member"
        )
    return sorted(members, key=Decimal if kind == "NS" else None)


def _number_size(text: str) -> int:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


_SET_NAMES: Final = {"SS": "string", "NS": "number", "BS": "binary"}
