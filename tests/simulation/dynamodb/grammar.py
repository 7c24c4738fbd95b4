"""The grammar of conditions: a text becomes a tree.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path as File
from typing import Final, NamedTuple, NoReturn

from tests.simulation.dynamodb.refusals import NotModelledError, RefusedError, invalid

MAX_EXPRESSION: Final = 4096
MAX_OPERATORS: Final = 300
MAX_OPERANDS: Final = 100
"""Of IN, the first one included."""

RESERVED: Final = frozenset(
    File(__file__).with_name("reserved_words.txt").read_text("ascii").split()
)
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html"""


class Path(NamedTuple):
    """An attribute."""

    attribute: str


class Value(NamedTuple):
    """A value's placeholder, with its colon."""

    name: str


class Size(NamedTuple):
    """The function `size`."""

    operand: Path | Value


Operand = Path | Value | Size


class Comparison(NamedTuple):
    """Two operands and a sign."""

    sign: str
    left: Operand
    right: Operand


class Between(NamedTuple):
    """An operand and its bounds, both included."""

    operand: Operand
    lower: Operand
    upper: Operand


class Among(NamedTuple):
    """An operand and what it may be equal to."""

    operand: Operand
    options: tuple[Operand, ...]


class Call(NamedTuple):
    """A function that is true or false."""

    function: str
    arguments: tuple[Operand, ...]


class Negation(NamedTuple):
    """NOT."""

    condition: Condition


class Conjunction(NamedTuple):
    """AND."""

    conditions: tuple[Condition, ...]


class Disjunction(NamedTuple):
    """OR."""

    conditions: tuple[Condition, ...]


Condition = Comparison | Between | Among | Call | Negation | Conjunction | Disjunction

FUNCTIONS: Final = {
    "attribute_exists": 1,
    "attribute_not_exists": 1,
    "attribute_type": 2,
    "begins_with": 2,
    "contains": 2,
}
"""How many operands each function takes."""

SIGNS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_TOKEN: Final = re.compile(
    r"\s*(?:([#:][A-Za-z0-9_]+|[A-Za-z][A-Za-z0-9_]*|<>|<=|>=|[=<>(),+\-.\[\]]|[0-9]+)|(\S))"
)


def tokenize(text: str, parameter: str) -> list[str]:
    """Return the tokens of an expression."""
    if not text.strip():
        raise invalid(f"Invalid {parameter}: The expression can not be empty;")
    if len(text.encode()) > MAX_EXPRESSION:
        raise invalid(
            f"Invalid {parameter}: Expression size has exceeded the maximum allowed size"
        )
    tokens = []
    for token, wrong in _TOKEN.findall(text):
        if wrong:
            raise invalid(f'Invalid {parameter}: Syntax error; token: "{wrong}"')
        if token:
            tokens.append(token)
    return tokens


class Parser:
    """Reads tokens from left to right, and puts attributes in the place of placeholders."""

    def __init__(self, text: str, parameter: str, names: Mapping[str, str]) -> None:
        self.names: set[str] = set()
        """The placeholders of attributes that were read."""
        self._given_names = names
        self._tokens = tokenize(text, parameter)
        self._parameter = parameter
        self._position = 0
        self._groups: dict[int, int] = {}
        self._operators = 0

    def condition(self) -> Condition:
        """Read a whole condition."""
        condition = self._disjunction()
        self.end()
        return condition

    @property
    def next(self) -> str:
        """The next token, and the empty text at the end."""
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    @property
    def next_keyword(self) -> str:
        """The next token in upper case: keywords may be written in any."""
        return self.next.upper()

    def take(self, expected: str | None = None) -> str:
        """Take the next token, which must be the expected one."""
        token = self.next
        if not token or (expected is not None and token.upper() != expected):
            self.fail()
        self._position += 1
        return token

    def takes(self, expected: str) -> bool:
        """Take the next token if it is the expected one, and tell whether it was."""
        if self.next_keyword != expected:
            return False
        self._position += 1
        return True

    def count(self) -> None:
        """Count an operator or a function, and refuse too many of them."""
        self._operators += 1
        if self._operators > MAX_OPERATORS:
            raise self.wrong("The expression contains too many operators;")

    def end(self) -> None:
        """Refuse what is left."""
        if self.next:
            self.fail()

    def fail(self) -> NoReturn:
        """Refuse the next token."""
        raise self.wrong(f'Syntax error; token: "{self.next or "<EOF>"}"')

    def wrong(self, problem: str) -> RefusedError:
        """Return a refusal of this expression."""
        return invalid(f"Invalid {self._parameter}: {problem}")

    def path(self) -> Path:
        """Read an attribute."""
        token = attribute = self.take()
        if token[0] == "#":
            self.names.add(token)
            if token not in self._given_names:
                raise self.wrong(
                    "An expression attribute name used in the document path is not defined; "
                    f"attribute name: {token}"
                )
            attribute = self._given_names[token]
        elif not token[0].isalpha():
            self._position -= 1
            self.fail()
        elif token.upper() in RESERVED:
            raise self.wrong(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        if self.next in (".", "["):
            raise NotModelledError(f"a path within an attribute: {token}{self.next}")
        return Path(attribute)

    def operand(self) -> Operand:
        """Read an attribute, a value, or a size."""
        if self.takes("("):
            operand = self.operand()
            self.take(")")
            return operand
        if self.next.startswith(":"):
            return Value(self.take())
        if self._is_call():
            if self.next != "size":
                self._refuse_function()
            self._position += 2
            self.count()
            inner = self.operand()
            self.take(")")
            if isinstance(inner, Size):
                raise self.wrong("The function is not allowed to be used this way; size")
            return Size(inner)
        return self.path()

    def _is_call(self) -> bool:
        following = self._tokens[self._position + 1 : self._position + 2]
        return self.next[:1].isalpha() and following == ["("]

    def _refuse_function(self) -> NoReturn:
        name = self.next
        if name in FUNCTIONS:
            raise self.wrong(f"The function is not allowed to be used this way; function: {name}")
        raise self.wrong(f"Invalid function name; function: {name}")

    def _disjunction(self) -> Condition:
        conditions = [self._conjunction()]
        while self.takes("OR"):
            self.count()
            conditions.append(self._conjunction())
        return conditions[0] if len(conditions) == 1 else Disjunction(tuple(conditions))

    def _conjunction(self) -> Condition:
        conditions = [self._negation()]
        while self.takes("AND"):
            self.count()
            conditions.append(self._negation())
        return conditions[0] if len(conditions) == 1 else Conjunction(tuple(conditions))

    def _negation(self) -> Condition:
        if not self.takes("NOT"):
            return self._primary()
        self.count()
        return Negation(self._negation())

    def _primary(self) -> Condition:
        start, operators = self._position, self._operators
        if self.next == "(":
            try:
                return self._group()
            except RefusedError:
                # An operand may stand in parentheses, too.
                if self._position == start + 1 or self.next != ")":
                    raise
                self._position, self._operators = start, operators
        if self.next in FUNCTIONS and self._is_call():
            return self._call()
        left = self.operand()
        self.count()
        if self.next in SIGNS:
            return Comparison(self.take(), left, self.operand())
        if self.takes("BETWEEN"):
            lower = self.operand()
            self.take("AND")
            return Between(left, lower, self.operand())
        self.take("IN")
        options = self._arguments()
        if len(options) >= MAX_OPERANDS:
            raise self.wrong("The IN operator is provided with too many operands")
        return Among(left, options)

    def _group(self) -> Condition:
        start = self._position
        self.take("(")
        condition = self._disjunction()
        if self._groups.get(start + 1) == self._position:
            raise self.wrong("The expression has redundant parentheses;")
        self.take(")")
        self._groups[start] = self._position
        return condition

    def _call(self) -> Condition:
        function = self.take()
        self.count()
        arguments = self._arguments()
        if len(arguments) != FUNCTIONS[function]:
            raise self.wrong(
                "Incorrect number of operands for operator or function; operator or function: "
                f"{function}, number of operands: {len(arguments)}"
            )
        return Call(function, arguments)

    def _arguments(self) -> tuple[Operand, ...]:
        self.take("(")
        arguments = [self.operand()]
        while self.takes(","):
            arguments.append(self.operand())
        self.take(")")
        return tuple(arguments)
