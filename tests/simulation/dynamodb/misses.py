"""Near misses: requests of ours with one thing changed, so that most are refused."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.simulation.dynamodb.cases import TABLE_NAME, Case
from tests.simulation.dynamodb.grammar import tokenize
from tests.simulation.dynamodb.ours import OurRequests

Parameters = dict[str, Any]

_EXPRESSIONS: Final = (
    "ConditionExpression",
    "UpdateExpression",
    "KeyConditionExpression",
    "FilterExpression",
)
_WORDS: Final = (
    *("AND", "OR", "NOT", "(", ")", ",", "=", "<>", "<", ">=", "BETWEEN", "IN", "+", "SET"),
    *("REMOVE", "ADD", "attribute_exists", "begins_with", "size", "event_id", "status", ":value"),
    *("#profile", "#pk", ":nothing", "#nothing", ";", "'"),
)
_ODD_VALUES: Final[dict[str, Any]] = {
    "a number": {"N": "7"},
    "a number with zeros": {"N": "0070.500"},
    "no number": {"N": "seven"},
    "a number too long": {"N": "1" * 39},
    "a number too large": {"N": "1E126"},
    "a number too small": {"N": "1E-131"},
    "an empty text": {"S": ""},
    "a truth": {"BOOL": True},
    "null": {"NULL": True},
    "null that is not": {"NULL": False},
    "bytes": {"B": b"\x00\xff"},
    "a set": {"SS": ["b", "a"]},
    "an empty set": {"SS": []},
    "a set with a repetition": {"SS": ["a", "a"]},
    "numbers": {"NS": ["10", "9"]},
    "numbers with a repetition": {"NS": ["1", "1.0"]},
    "a list": {"L": [{"S": "a"}, {"N": "1.0"}]},
    "a map": {"M": {"a": {"BOOL": False}}},
    "no kind": {},
    "two kinds": {"S": "a", "N": "1"},
    "a long text": {"S": "x" * 3000},
}
_TOO_LONG: Final = {"S": "x" * 410_000}


_QUERIES: Final[tuple[tuple[str, Parameters], ...]] = (
    ("an unknown index", {"IndexName": "unknown-index"}),
    ("a consistent read of an index", {"ConsistentRead": True}),
    ("a limit of 0", {"Limit": 0}),
    ("an unknown Select", {"Select": "EVERYTHING"}),
    ("all projected attributes", {"Select": "ALL_PROJECTED_ATTRIBUTES"}),
    ("specific attributes without names", {"Select": "SPECIFIC_ATTRIBUTES"}),
    ("a projection", {"ProjectionExpression": "pk, event_id, invoker"}),
    ("a start key of the table", {"ExclusiveStartKey": {"pk": {"S": "a"}}}),
    ("an empty start key", {"ExclusiveStartKey": {}}),
    ("a filter on a key", {"FilterExpression": "attribute_exists(created_at)"}),
    ("a filter on the table's key", {"FilterExpression": "attribute_exists(pk)"}),
    ("the other order", {"ScanIndexForward": True}),
)


class NearMisses:
    """Makes near misses by a seed."""

    def __init__(self, random: Random, ours: OurRequests) -> None:
        self._random = random
        self._ours = ours
        self._changes: tuple[Callable[[Parameters, Case], str | None], ...] = (
            self._odd_value,
            self._odd_value,
            self._odd_attribute,
            self._odd_key,
            self._without_value,
            self._without_name,
            self._one_more,
            self._cut,
            self._other_word,
            self._other_word,
            self._reserved,
            self._token,
            self._same_row_twice,
            self._odd_entries,
            self._odd_table,
            self._odd_query,
        )

    def next(self) -> Case:
        """Return the next near miss."""
        while True:
            case = self._ours.next()
            request = deepcopy(dict(case.request))
            if "ClientRequestToken" in request:
                request["ClientRequestToken"] = self._ours.token()
            label = self._random.choice(self._changes)(request, case)
            if label is not None:
                return Case(label, case.operation, request)

    def _part(self, request: Parameters) -> Parameters:
        """Return the parameters of one of a request's actions, or its own."""
        if "TransactItems" not in request:
            return request
        entry = self._random.choice(request["TransactItems"])
        parameters: Parameters = next(iter(entry.values()))
        return parameters

    def _odd(self) -> tuple[str, Any]:
        return self._random.choice(list(_ODD_VALUES.items()))

    def _odd_value(self, request: Parameters, _: Case) -> str | None:
        values = self._part(request).get("ExpressionAttributeValues")
        if values is None:
            return None
        label, value = self._odd()
        values[self._random.choice(sorted(values))] = value
        return f"{label} in an expression"

    def _odd_attribute(self, request: Parameters, _: Case) -> str | None:
        item = self._part(request).get("Item")
        if item is None:
            return None
        name = self._random.choice(sorted(item))
        if self._random.random() < 0.3:
            del item[name]
            return f"an item without {'its key' if name == 'pk' else 'an attribute'}"
        label, item[name] = self._odd()
        if self._random.random() < 0.05:
            item["more"] = _TOO_LONG
            return "an item too large"
        if name in ("pk", "created_at", "invoker", "profile", "status"):
            return f"{label} as {'a key' if name == 'pk' else 'the key of an index'}"
        return f"{label} in an item"

    def _odd_key(self, request: Parameters, _: Case) -> str | None:
        key = self._part(request).get("Key")
        if key is None:
            return None
        match self._random.randrange(3):
            case 0:
                key["sk"] = {"S": "a"}
                return "a key with a sort key"
            case 1:
                del key["pk"]
                return "a key without its attribute"
        label, key["pk"] = self._odd()
        return f"{label} as a key"

    def _without_value(self, request: Parameters, _: Case) -> str | None:
        return self._without("ExpressionAttributeValues", request)

    def _without_name(self, request: Parameters, _: Case) -> str | None:
        return self._without("ExpressionAttributeNames", request)

    def _without(self, parameter: str, request: Parameters) -> str | None:
        part = self._part(request)
        given = part.get(parameter)
        if given is None:
            return None
        match self._random.randrange(3):
            case 0:
                del part[parameter]
                return f"no {parameter}"
            case 1:
                part[parameter] = {}
                return f"empty {parameter}"
        del given[self._random.choice(sorted(given))]
        return f"{parameter} without one"

    def _one_more(self, request: Parameters, _: Case) -> str | None:
        part = self._part(request)
        if self._random.random() < 0.5:
            if not any(name in part for name in _EXPRESSIONS):
                return None
            part.setdefault("ExpressionAttributeNames", {})["#more"] = "more"
            return "a name that is not used"
        if not any(name in part for name in _EXPRESSIONS):
            return None
        part.setdefault("ExpressionAttributeValues", {})[":more"] = {"S": "more"}
        return "a value that is not used"

    def _expression(self, part: Parameters) -> str | None:
        there = [name for name in _EXPRESSIONS if name in part]
        return self._random.choice(there) if there else None

    def _cut(self, request: Parameters, _: Case) -> str | None:
        part = self._part(request)
        parameter = self._expression(part)
        if parameter is None:
            return None
        text = part[parameter]
        part[parameter] = text[: self._random.randrange(len(text))]
        return f"a {parameter} that is cut"

    def _other_word(self, request: Parameters, _: Case) -> str | None:
        part = self._part(request)
        parameter = self._expression(part)
        if parameter is None:
            return None
        words = tokenize(part[parameter], parameter)
        place = self._random.randrange(len(words))
        words[place : place + self._random.randrange(2)] = [self._random.choice(_WORDS)]
        part[parameter] = " ".join(words)
        return f"a {parameter} with another word"

    def _reserved(self, request: Parameters, _: Case) -> str | None:
        part = self._part(request)
        parameter = self._expression(part)
        names = part.get("ExpressionAttributeNames")
        if parameter is None or not names:
            return None
        placeholder = self._random.choice(sorted(names))
        words = tokenize(part[parameter], parameter)
        part[parameter] = " ".join(
            names[placeholder] if word == placeholder else word for word in words
        )
        del names[placeholder]
        if not names:
            del part["ExpressionAttributeNames"]
        return f"an attribute by its own name in a {parameter}"

    def _token(self, request: Parameters, case: Case) -> str | None:
        if "ClientRequestToken" not in request:
            return None
        match self._random.randrange(4):
            case 0:
                request["ClientRequestToken"] = ""
                return "an empty token"
            case 1:
                request["ClientRequestToken"] += "12345"
                return "a token too long"
            case 2:
                del request["ClientRequestToken"]
                return "no token"
        used = self._ours.used_token()
        if used is None:
            return None
        request["ClientRequestToken"] = used
        return "a token that served another request"

    def _same_row_twice(self, request: Parameters, _: Case) -> str | None:
        entries = request.get("TransactItems")
        if entries is None:
            return None
        entry = self._random.choice(entries)
        ((kind, parameters),) = entry.items()
        other = {"Key": parameters.get("Key", {"pk": parameters.get("Item", {}).get("pk")})}
        check = {
            "TableName": parameters["TableName"],
            **other,
            "ConditionExpression": "attribute_exists(pk)",
        }
        if self._random.random() < 0.5:
            entries.append({"ConditionCheck": check})
            return "two actions on one row"
        entries.append({kind: parameters})
        return "an action twice"

    def _odd_entries(self, request: Parameters, _: Case) -> str | None:
        entries = request.get("TransactItems")
        if entries is None:
            return None
        match self._random.randrange(4):
            case 0:
                entries.clear()
                return "no actions"
            case 1:
                entries.append({})
                return "an action of no kind"
            case 2:
                entries.extend(map(self._delete, range(11)))
                return "more actions than DynamoDB Local takes"
        if len(entries) < 2:
            return None
        request["TransactItems"] = [{**entries[0], **entries[1]}]
        return None if len(request["TransactItems"][0]) < 2 else "an action of two kinds"

    def _delete(self, number: int) -> Parameters:
        key = {"pk": {"S": f"nobody's {number}"}}
        return {"Delete": {"TableName": TABLE_NAME, "Key": key}}

    def _odd_table(self, request: Parameters, _: Case) -> str | None:
        part = self._part(request)
        if "TableName" not in part:
            return None
        part["TableName"] = "unknown"
        return "an unknown table"

    def _odd_query(self, request: Parameters, case: Case) -> str | None:
        if case.operation != "Query":
            return None
        label, change = self._random.choice(_QUERIES)
        request.update(change)
        return label
