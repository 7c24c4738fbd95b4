"""Who is recorded, and what is asked."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import typer

from aiobreakglass._domain.fields import valid_name, valid_reason
from aiobreakglass.cli.people import Questions, name_of_caller
from aiobreakglass.cli.statuses import WrongUseError


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::123456789012:user/alice", "alice"),
        ("arn:aws:iam::123456789012:user/division/team/alice", "alice"),
        ("arn:aws-cn:sts::123456789012:federated-user/alice", "alice"),
        ("arn:aws:sts::123456789012:user/moto", "moto"),
        ("arn:aws:sts::123456789012:assumed-role/Admin/alice@example.com", "alice@example.com"),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:assumed-role/Admin", None),
        ("alice", None),
    ],
)
def test_name_of_a_caller(arn: str, name: str | None) -> None:
    """The name is that of the user or of the role's session; the root user is nobody."""
    if name is None:
        with pytest.raises(ValueError, match="names no person"):
            name_of_caller(arn)
    else:
        assert name_of_caller(arn) == name


def answers(*texts: str) -> Callable[..., str]:
    """Return a person who gives these answers, one after the other."""
    waiting = iter(texts)

    def prompt(_: str, default: str | None = None, err: bool = False) -> str:
        assert err, "questions must not mix with the answer on standard output"
        text = next(waiting)
        return text if text or default is None else default

    return prompt


def unknown() -> str:
    raise WrongUseError("STS does not tell who you are (NoCredentialsError)")


class TestWithoutAnybody:
    questions = Questions(is_attended=False)

    def test_missing_text_is_refused(self) -> None:
        """Nothing waits for an answer that nobody will give."""
        with pytest.raises(WrongUseError, match="--reason is missing, and nobody is there"):
            self.questions.text(None, "--reason", "Why?", valid_name)

    def test_text_that_breaks_a_rule_is_refused(self) -> None:
        with pytest.raises(WrongUseError, match="--reason must not begin or end with white space"):
            self.questions.text(" x ", "--reason", "Why?", valid_name)

    def test_dash_reads_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A command line is public on its machine, and standard input is not."""
        monkeypatch.setattr("sys.stdin", io.StringIO("From a file"))
        assert self.questions.long_text("-", "--reason", "Why?", valid_reason) == "From a file"

    @pytest.mark.parametrize(
        ("sent", "reason"),
        [
            (b"", "--reason must have 1 to 1000 characters"),
            (b"\n", "--reason must have 1 to 1000 characters"),
            (b"caf\xe9", "--reason - read standard input, which is not utf-8"),
            (b"x" * 9_000, "--reason must have 1 to 1000 characters"),
            (b"x" * 10_001, "--reason - read standard input, which is too long"),
            (b"a\x1b[2J", "--reason must not have control characters"),
        ],
    )
    def test_standard_input_that_is_no_text_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, sent: bytes, reason: str
    ) -> None:
        """It is wrong use, and no crash; however much there is, only the beginning is read."""
        stream = io.TextIOWrapper(io.BytesIO(sent), encoding="utf-8")
        monkeypatch.setattr("sys.stdin", stream)
        with pytest.raises(WrongUseError, match=f"^{reason}"):
            self.questions.long_text("-", "--reason", "Why?", valid_reason)

    def test_dash_is_no_name(self) -> None:
        """Whoever wanted to read a name from standard input does not become "-"."""
        with pytest.raises(WrongUseError, match="--by must be a name"):
            self.questions.person("-", "--by", "Who?", valid_name, lambda: "alice")

    def test_identity_is_recorded(self) -> None:
        assert self.questions.person(None, "--by", "Who?", valid_name, lambda: "alice") == "alice"

    def test_identity_that_is_no_name_is_refused(self) -> None:
        with pytest.raises(WrongUseError, match="--by must not begin or end with white space"):
            self.questions.person(None, "--by", "Who?", valid_name, lambda: "alice ")

    def test_option_wins_over_identity(self) -> None:
        """STS is not even asked."""
        assert self.questions.person("bob", "--by", "Who?", valid_name, unknown) == "bob"

    def test_nobody_is_guessed(self) -> None:
        """Neither the user of the machine nor a default is recorded instead."""
        with pytest.raises(WrongUseError, match=r"--by must say who it is: STS does not tell"):
            self.questions.person(None, "--by", "Who?", valid_name, unknown)


class TestWithAPerson:
    questions = Questions(is_attended=True)

    def test_answer_that_breaks_a_rule_is_asked_again(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(typer, "prompt", answers(" prod ", "prod"))
        assert self.questions.text(None, "PROFILE", "Which profile?", valid_name) == "prod"
        assert "white space" in capsys.readouterr().err

    @pytest.mark.parametrize(("answer", "name"), [("", "alice"), ("carol", "carol")])
    def test_person_confirms_their_identity(
        self, monkeypatch: pytest.MonkeyPatch, answer: str, name: str
    ) -> None:
        """Whoever is there sees who would be recorded, and can name somebody else."""
        monkeypatch.setattr(typer, "prompt", answers(answer))
        assert self.questions.person(None, "--by", "Who?", valid_name, lambda: "alice") == name

    def test_person_without_identity_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(typer, "prompt", answers("alice"))
        assert self.questions.person(None, "--by", "Who?", valid_name, unknown) == "alice"
