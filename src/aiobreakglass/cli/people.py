"""Find out what a person wants to say, and who they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import typer

from aiobreakglass.cli.statuses import WrongUseError
from aiobreakglass.cli.texts import shown

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
_CALLER: Final = re.compile(
    r"arn:aws[\w-]*:(?:iam|sts)::\d{12}:"
    r"(?:(?:user|federated-user)/(?:[^/]+/)*(?P<user>[^/]+)"
    r"|assumed-role/[^/]+/(?P<session>[^/]+))"
)

FROM_STANDARD_INPUT: Final = "-"
_LONGEST_INPUT: Final = 10_000
"""How many characters are read; a text has 1000 at most, and white space around it."""

Rule = Callable[[str], object]
"""Raises `ValueError` if an answer breaks it."""


def name_of_caller(arn: str) -> str:
    """Return the name in an ARN: that of the user, or that of the role's session.

    Raises:
        ValueError: The ARN names no person, as that of the account's root user.
    """
    match = _CALLER.fullmatch(arn)
    if match is None:
        raise ValueError(f"{arn} names no person")
    return match["user"] or match["session"]


async def caller_arn(session: AioSession, region: str | None) -> str:
    """Return the ARN of the identity that signs requests, as STS tells it.

    Raises:
        Exception: STS did not answer.
    """
    from aiobotocore.config import AioConfig

    config = AioConfig(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2})
    async with session.create_client(
        "sts", region_name=region or session.get_config_variable("region"), config=config
    ) as client:
        identity = await client.get_caller_identity()
    return str(identity["Arn"])


class Questions:
    """Asks for what is missing, if a person is there to answer."""

    def __init__(self, *, is_attended: bool) -> None:
        self.is_attended = is_attended

    def long_text(self, given: str | None, option: str, question: str, rule: Rule) -> str:
        """Return what `text` returns, or standard input if the option says "-".

        Raises:
            WrongUseError: The option is missing, and nobody is there to ask; or it breaks a rule.
        """
        if given == FROM_STANDARD_INPUT:
            given = _standard_input(option)
        return self.text(given, option, question, rule)

    def text(self, given: str | None, option: str, question: str, rule: Rule) -> str:
        """Return what an option says, or a person's answer.

        Raises:
            WrongUseError: The option is missing, and nobody is there to ask; or it breaks a rule.
        """
        if given is not None:
            return _checked(given, option, rule)
        if not self.is_attended:
            raise WrongUseError(f"{option} is missing, and nobody is there to be asked")
        return self._ask(question, rule, None)

    def person(
        self, given: str | None, option: str, question: str, rule: Rule, caller: Callable[[], str]
    ) -> str:
        """Return who does it: as an option says, or the caller's own identity. Nobody is guessed.

        A person who is there confirms the identity or names somebody else.

        Args:
            given: What the option says.
            option: The name of the option.
            question: What to ask a person.
            rule: The rule of names.
            caller: Returns the name in the caller's identity, or raises `WrongUseError`.
        """
        if given == FROM_STANDARD_INPUT:
            raise WrongUseError(f"{option} must be a name; - reads only texts")
        if given is not None:
            return _checked(given, option, rule)
        try:
            known = caller()
        except WrongUseError as error:
            if not self.is_attended:
                raise WrongUseError(f"{option} must say who it is: {error}") from error
            known = None
        if not self.is_attended and known is not None:
            return _checked(known, option, rule)
        return self._ask(question, rule, known)

    def agree(self, question: str) -> bool:
        """Return whether a person says yes."""
        return bool(typer.confirm(question, err=True))

    def _ask(self, question: str, rule: Rule, default: str | None) -> str:
        while True:
            answer = str(typer.prompt(question, default=default, err=True))
            try:
                rule(answer)
            except ValueError as error:
                typer.echo(f"{shown(str(error))}", err=True)
                continue
            return answer


def _standard_input(option: str) -> str:
    try:
        text = sys.stdin.read(_LONGEST_INPUT + 1)
    except UnicodeDecodeError as error:
        raise WrongUseError(
            f"{option} - read standard input, which is not {error.encoding}"
        ) from error
    if len(text) > _LONGEST_INPUT:
        raise WrongUseError(f"{option} - read standard input, which is too long")
    return text


def _checked(text: str, option: str, rule: Rule) -> str:
    try:
        rule(text)
    except ValueError as error:
        raise WrongUseError(f"{option} {error}") from error
    return text


def checked_duration(text: str, option: str, parse: Callable[[str], timedelta]) -> timedelta:
    """Return the duration that an option says, or raise `WrongUseError`."""
    try:
        return parse(text)
    except ValueError as error:
        raise WrongUseError(f"{option} {error}") from error
