"""The quickstart prints its story, or one line that says what to do."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from aiobotocore.session import get_session

from tests.documents.pages import README, ROOT, without_particulars
from tests.documents.programs import PATIENCE, Programs

pytestmark = pytest.mark.slow

QUICKSTART = ROOT / "examples" / "quickstart.py"

NOWHERE = "http://127.0.0.1:9"
NO_CREDENTIALS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]


def run(*arguments: str, **environment: str | None) -> Result:
    """Run the quickstart; an environment variable whose value is None is unset."""
    return subprocess.run(
        [sys.executable, QUICKSTART, *arguments],
        env=environment_with(environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def run_without_moto(programs: Programs) -> Run:
    """Run the quickstart in a way that is faster if it does not import moto."""

    def run(*arguments: str, **environment: str | None) -> Result:
        variables = environment_with(environment)
        return programs.run(QUICKSTART, *arguments, folder=ROOT, environment=variables)

    return run


def environment_with(changes: Mapping[str, str | None]) -> dict[str, str]:
    variables = {**os.environ, **changes}
    return {name: value for name, value in variables.items() if value is not None}


def assert_tells_the_story(result: Result) -> None:
    assert (result.returncode, result.stderr) == (0, "")
    story = result.stdout
    opened = re.search(r"(alice-[0-9a-f]{4}) breaks the glass: event ([0-9a-f]{16})\n", story)
    assert opened, story
    alice, event = opened.groups()
    time = r"\d\d:\d\d:\d\d\.\d{3}Z"
    chapters = [
        rf"grants 'prod' from {time} to {time}\n",
        rf"{time}  does {alice} hold access to 'prod' right now\? yes, by event {event}\n",
        rf"{time}  20 attempts at once to open it again: 20 refused, each saying\n",
        rf"'{alice}' already holds emergency access",
        rf"{time}  bob closes event {event}:\n",
        rf"{time}  bob closes it again, by mistake, and is refused:\n",
        rf"event {event} is closed: a terminal event never changes",
        rf"{time}  does {alice} hold access to 'prod' right now\? no\n",
        rf"{time}  the review: all that {alice} has opened, newest first\n",
        rf"event {event}: prod, incident, closed\n",
        rf"opened {time}, last changed {time}\n",
    ]
    assert re.search(".*?".join(chapters), story, re.DOTALL), story


def assert_says_what_to_do(result: Result, advice: str) -> None:
    assert result.returncode == 1
    assert result.stderr.startswith("quickstart: ")
    assert result.stderr.count("\n") == 1
    assert advice in result.stderr


def test_quickstart_on_moto_prints_what_the_readme_shows() -> None:
    """Proxies, and settings and credentials for real accounts, have no effect."""
    # Code that reads the environment's credentials fails on a key without its secret.
    result = run(http_proxy=NOWHERE, AWS_ENDPOINT_URL_DYNAMODB=NOWHERE, AWS_SECRET_ACCESS_KEY=None)
    assert_tells_the_story(result)
    (shown,) = README.texts("text")
    assert without_particulars(result.stdout) == without_particulars(shown)


@pytest.mark.on_dynamodb_local
def test_quickstart_at_endpoint_repeats_without_credentials(
    endpoint_url: str, run_without_moto: Run
) -> None:
    table = f"quickstart-{uuid4().hex}"
    for _ in range(2):
        result = run_without_moto(
            "--endpoint-url", endpoint_url, "--table", table, **NO_CREDENTIALS
        )
        assert_tells_the_story(result)
        assert f"Table {table!r} stays" in result.stdout


def test_quickstart_in_an_account_uses_the_environment(
    moto_endpoint: str, run_without_moto: Run
) -> None:
    table = f"quickstart-{uuid4().hex}"
    result = run_without_moto(
        "--aws",
        *("--table", table, "--region", "eu-west-1"),
        AWS_ENDPOINT_URL_DYNAMODB=moto_endpoint,
    )
    assert_tells_the_story(result)
    assert f"Making table {table!r}, if it is not there" in result.stdout
    assert f"Table {table!r} stays" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "advice"),
    [
        (["--endpoint-url", NOWHERE], {}, "could not be reached: connection refused"),
        (["--endpoint-url", "nonsense"], {}, "Invalid endpoint: nonsense"),
        (["--endpoint-url", NOWHERE, "--table", "x"], {}, "table_name must be 3 to 255"),
        (["--aws"], {}, "no region: add --region"),
        (["--aws", "--region", "eu-west-1"], NO_CREDENTIALS, "no credentials: set AWS_PROFILE"),
        (["--aws", "--region", "eu-west-1"], {"AWS_PROFILE": "nobody"}, "(ProfileNotFound)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistake_is_answered_in_one_line(
    run_without_moto: Run,
    arguments: list[str],
    environment: dict[str, str | None],
    advice: str,
) -> None:
    assert_says_what_to_do(run_without_moto(*arguments, **environment), advice)


async def test_table_of_another_application_is_left_alone(
    moto_endpoint: str, run_without_moto: Run
) -> None:
    table = f"quickstart-{uuid4().hex}"
    async with get_session().create_client(
        "dynamodb", region_name="us-east-1", endpoint_url=moto_endpoint
    ) as client:
        await client.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "other", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "other", "KeyType": "HASH"}],
        )
        result = run_without_moto("--endpoint-url", moto_endpoint, "--table", table)
        assert_says_what_to_do(result, f"table {table!r} is not laid out as a break-glass table")
        assert (await client.scan(TableName=table))["Count"] == 0


def test_quickstart_without_moto_says_what_to_install(
    tmp_path: Path, run_without_moto: Run
) -> None:
    (tmp_path / "moto").mkdir()
    (tmp_path / "moto" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert_says_what_to_do(
        run_without_moto(PYTHONPATH=path), "pip install 'aiobreakglass[testing]'"
    )


def test_account_and_endpoint_together_are_refused(run_without_moto: Run) -> None:
    result = run_without_moto("--aws", "--endpoint-url", NOWHERE)
    assert result.returncode == 2
    assert "not allowed with argument" in result.stderr
