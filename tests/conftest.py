from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import get_session
from botocore.handlers import BUILTIN_HANDLERS
from botocore.httpsession import where
from hypothesis import HealthCheck, settings

from aiobreakglass.testing import moto_server
from tests.backends import unavailable
from tests.backends.dynamodb_local import dynamodb_local, missing_requirement
from tests.documents.calls import REGION, TABLE
from tests.documents.programs import Programs, running_programs

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient

# A busy machine makes examples slow, so they have no deadline. In CI, hypothesis does this by
# itself, and its other settings for CI are kept. Half the usual number of examples, because most
# of them are whole events, which take long to draw.
settings.register_profile(
    "unhurried",
    settings(),
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")
# For `nox -s quick`, which is run while one works.
settings.register_profile("quick", settings.get_profile("unhurried"), max_examples=15)


# A test that uses one of these fixtures runs in the lane of that name.
LANES = {
    "emulator": {"moto_endpoint", "dynamodb_local_endpoint", "endpoint_url"},
    "browser": {"browser"},
    "slow": {"pytester"},
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its lanes, by its fixtures; drop what it is not meant for."""
    config.hook.pytest_deselected(items=[item for item in items if is_unwanted(item)])
    items[:] = [item for item in items if not is_unwanted(item)]
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        for marker, names in LANES.items():
            if fixtures & names:
                item.add_marker(marker)


def is_unwanted(item: pytest.Item) -> bool:
    """Return whether a test would run on moto, or with a case, that it is not meant for."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return False
    if item.get_closest_marker("first_case") is not None and any(callspec.indices.values()):
        return True
    on_moto = callspec.params.get("endpoint_url") == "moto"
    return on_moto and item.get_closest_marker("on_dynamodb_local") is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector rest: it finds nothing here, and takes a tenth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from visiting 7,000 collected tests, which are never garbage.

    Each full collection took a third of a second, and some tests run one at their end.
    """
    gc.collect()
    gc.freeze()
    # Tests allocate much and leave few cycles; those that look for leaks collect themselves.
    gc.set_threshold(50_000)


@pytest.fixture(scope="session", autouse=True)
def no_aws_account() -> Iterator[None]:
    """Hide the machine's AWS credentials and settings: no test can reach a real account.

    The region is hidden too, so that code without one fails here as it would on a new machine.
    The fixture covers the whole session, because fixtures of any scope open clients.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def few_authorities(
    no_aws_account: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Let clients trust one certificate authority, because no test connects to AWS.

    Each client reads all of them before its first request, even without TLS, which takes 50 ms.
    """
    first, end, _ = Path(where()).read_text(encoding="utf-8").partition("END CERTIFICATE-----\n")
    bundle = tmp_path_factory.mktemp("authorities") / "bundle.pem"
    bundle.write_text(first + end, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_CA_BUNDLE", str(bundle))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_stubber() -> None:
    """Remove the handler that moto adds to all later sessions for its other modes.

    The fast transport is not used for a client that has additional handlers.
    """
    from moto.core.models import botocore_stubber

    BUILTIN_HANDLERS.remove(("before-send", botocore_stubber))


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
async def moto_client(moto_endpoint: str) -> AsyncIterator[DynamoDBClient]:
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        yield client


@pytest.fixture
async def no_table(moto_endpoint: str) -> AsyncIterator[DynamoDBClient]:
    """A client; the table of the documentation is deleted when the test ends."""
    async with get_session().create_client(
        "dynamodb", region_name=REGION, endpoint_url=moto_endpoint
    ) as client:
        yield client
        with suppress(client.exceptions.ResourceNotFoundException):
            await client.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
            await client.delete_table(TableName=TABLE)


@pytest.fixture(scope="session")
def programs(few_authorities: None) -> Iterator[Programs]:
    """Where short programs run, one after the other."""
    with running_programs() as programs:
        yield programs


@pytest.fixture(scope="session")
def dynamodb_local_endpoint() -> Iterator[str]:
    missing = missing_requirement()
    if missing is not None:
        unavailable(missing)
    with dynamodb_local() as url:
        yield url


@pytest.fixture(scope="session", params=["moto", "dynamodb-local"])
def endpoint_url(request: pytest.FixtureRequest) -> str:
    """The endpoint URL of each real DynamoDB API in turn."""
    fixture = {"moto": "moto_endpoint", "dynamodb-local": "dynamodb_local_endpoint"}
    url: str = request.getfixturevalue(fixture[request.param])
    return url
