"""Random conditions and updates, most of them well-formed, on rows with values of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from tests.simulation.dynamodb.cases import TABLE_NAME, Case
from tests.simulation.dynamodb.values import Item

Value = dict[str, Any]

ROWS: Final = 10
"""How many rows one transaction checks: as many as DynamoDB Local takes."""

_ATTRIBUTES: Final = ("pk", "aa", "bb", "cc", "dd", "ee", "absent")
_SIGNS: Final = ("=", "<>", "<", "<=", ">", ">=")


class RandomExpressions:
    """Makes requests with random expressions by a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def cases(self, rounds: int) -> Iterator[Case]:
        """Yield rounds, each of rows of their own, conditions on them, and updates of them."""
        for _ in range(rounds):
            for row in range(ROWS):
                yield Case("put", "PutItem", {"TableName": TABLE_NAME, "Item": self._row(row)})
            for _ in range(5):
                checks = [{"ConditionCheck": self._check(row)} for row in range(ROWS)]
                yield Case("random conditions", "TransactWriteItems", {"TransactItems": checks})
            for row in range(ROWS):
                yield Case("random update", "UpdateItem", self._update(row))

    def _row(self, number: int) -> Item:
        names = self._random.sample(_ATTRIBUTES[1:-1], self._random.randint(2, 5))
        return {"pk": {"S": f"row {number}"}} | {name: self._value() for name in names}

    def _value(self, depth: int = 0) -> Value:
        random = self._random
        match random.randrange(9 if depth < 2 else 6):
            case 0 | 1:
                return {"S": self._text()}
            case 2 | 3:
                return {"N": self._number()}
            case 4:
                return random.choice(({"BOOL": True}, {"BOOL": False}, {"NULL": True}))
            case 5:
                return {"B": random.choice((b"a", b"ab", b"\xff"))}
            case 6:
                return {"SS": random.sample(("a", "b", "z", "\u00e9"), random.randint(1, 3))}
            case 7:
                return {"NS": random.sample(("1", "2.5", "-3", "10"), random.randint(1, 3))}
        inner = [self._value(depth + 1) for _ in range(random.randint(0, 2))]
        return random.choice(({"L": inner}, {"M": dict(zip(("m", "n"), inner, strict=False))}))

    def _text(self) -> str:
        return self._random.choice(
            ("a", "ab", "b", "Z", "10", "9", "\u00e9", "\uffff", "\U0001f511", "row 1")
        )

    def _number(self) -> str:
        return self._random.choice(("0", "1", "1.0", "-1", "10", "9", "2.5", "1e2", "100", "-0"))

    def _check(self, row: int) -> dict[str, Any]:
        expression = _Expression(self)
        condition = expression.condition(3)
        return {
            "TableName": TABLE_NAME,
            "Key": {"pk": {"S": f"row {row}"}},
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **expression.placeholders(),
        }

    def _update(self, row: int) -> dict[str, Any]:
        expression = _Expression(self)
        return {
            "TableName": TABLE_NAME,
            "Key": {"pk": {"S": f"row {row}"}},
            "UpdateExpression": expression.update(),
            "ReturnValues": "ALL_NEW",
            **expression.placeholders(),
        }


class _Expression:
    """One action's expressions, with the placeholders that they use."""

    def __init__(self, source: RandomExpressions) -> None:
        self._source = source
        self._random = source._random
        self._names: dict[str, str] = {}
        self._values: dict[str, Value] = {}

    def placeholders(self) -> dict[str, Any]:
        return {
            **({"ExpressionAttributeNames": self._names} if self._names else {}),
            **({"ExpressionAttributeValues": self._values} if self._values else {}),
        }

    def condition(self, depth: int) -> str:
        random = self._random
        match random.randrange(8 if depth else 4):
            case 0:
                sign = random.choice(_SIGNS[:2])
                return f"{self._path()} {sign} {self._new(self._value())}"
            case 1:
                return self._ordered()
            case 2:
                options = ", ".join(self._new(self._value()) for _ in range(random.randint(1, 3)))
                return f"{self._path()} IN ({options})"
            case 3:
                return self._function()
            case 4:
                return f"NOT {self._inner(depth)}"
            case 5:
                return f"{self._inner(depth)} OR {self._inner(depth)}"
        return f"{self._inner(depth)} AND {self._inner(depth)}"

    def update(self) -> str:
        random = self._random
        attributes = random.sample(_ATTRIBUTES[1:], 3)
        sections = random.sample(("SET", "REMOVE", "ADD", "DELETE"), random.randint(1, 2))
        texts = []
        for section, attribute in zip(sections, attributes, strict=False):
            match section:
                case "SET":
                    texts.append(f"SET {attribute} = {self._assigned()}")
                case "REMOVE":
                    texts.append(f"REMOVE {attribute}")
                case "ADD":
                    value = random.choice(({"N": "1.5"}, {"SS": ["a", "q"]}, {"NS": ["1", "7"]}))
                    texts.append(f"ADD {attribute} {self._new(value)}")
                case "DELETE":
                    value = random.choice(({"SS": ["a", "b"]}, {"NS": ["1.0", "10"]}))
                    texts.append(f"DELETE {attribute} {self._new(value)}")
        return " ".join(texts)

    def _inner(self, depth: int) -> str:
        return f"({self.condition(depth - 1)})"

    def _value(self) -> Value:
        return self._source._value()

    def _new(self, value: Value) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = value
        return placeholder

    def _path(self) -> str:
        name = self._random.choice(_ATTRIBUTES)
        if self._random.random() < 0.5:
            return name
        self._names[f"#{name}"] = name
        return f"#{name}"

    def _ordered(self) -> str:
        random = self._random
        kind, contents = random.choice(
            (("S", ("a", "b", "\u00e9")), ("N", ("1", "5", "10")), ("B", (b"a", b"b", b"\xfe")))
        )
        lower, upper = (self._new({kind: contents[each]}) for each in (0, random.randint(1, 2)))
        match random.randrange(3):
            case 0:
                return f"{self._path()} BETWEEN {lower} AND {upper}"
            case 1:
                size = f"size({self._path()}) {random.choice(_SIGNS)} {self._new({'N': '2'})}"
                return f"{size} OR aa = {lower} OR aa = {upper}"
        sign = random.choice(_SIGNS)
        return f"({self._path()} {sign} {lower}) OR {upper} {sign} {self._path()}"

    def _function(self) -> str:
        random = self._random
        match random.randrange(5):
            case 0:
                return f"attribute_exists({self._path()})"
            case 1:
                return f"attribute_not_exists({self._path()})"
            case 2:
                kind = {"S": random.choice(("S", "N", "SS", "L", "M", "BOOL", "NULL", "B", "NS"))}
                return f"attribute_type({self._path()}, {self._new(kind)})"
            case 3:
                return f"begins_with({self._path()}, {self._new({'S': self._source._text()})})"
        part = random.choice(({"S": self._source._text()}, {"N": self._source._number()}))
        return f"contains({self._path()}, {self._new(part)})"

    def _assigned(self) -> str:
        random = self._random
        match random.randrange(4):
            case 0:
                return self._new(self._value())
            case 1:
                return f"if_not_exists({self._path()}, {self._new(self._value())})"
            case 2:
                first = f"if_not_exists({self._path()}, {self._new({'N': '3'})})"
                return f"{first} {random.choice('+-')} {self._new({'N': '1.5'})}"
        value = self._new({"L": [self._value()]})
        return f"list_append(if_not_exists({self._path()}, {value}), {value})"
