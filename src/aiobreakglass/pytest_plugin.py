"""Provide fixtures for test suites of programs that use the library; pytest finds them itself.

Every pytest run in an environment loads this module, even if it does not use the fixtures. So the
fixtures import whatever is expensive to import.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

    from aiobreakglass import AsyncDynamoDBStore, InMemoryStore
    from aiobreakglass.testing import FakeClock

    Opening = AbstractAsyncContextManager[AsyncDynamoDBStore]

LoopScope = Literal["function", "class", "module", "package", "session"]

_LOOP_SCOPES: Final[tuple[LoopScope, ...]] = ("function", "class", "module", "package", "session")


@pytest.fixture
def breakglass_clock() -> FakeClock:
    """Return the clock of the test's stores, which moves only when told to."""
    from aiobreakglass.testing import FakeClock

    return FakeClock()


@pytest.fixture
def breakglass_store(request: pytest.FixtureRequest, breakglass_clock: FakeClock) -> InMemoryStore:
    """Return an empty `InMemoryStore` that takes its time from `breakglass_clock`."""
    from aiobreakglass import InMemoryStore

    _require_asyncio(request)
    return InMemoryStore(clock=breakglass_clock)


@pytest.fixture
def breakglass_dynamodb(request: pytest.FixtureRequest) -> AsyncDynamoDBStore:
    """Return an `AsyncDynamoDBStore` on an empty table of moto, with `breakglass_clock`."""
    _require_asyncio(request)
    store: AsyncDynamoDBStore = request.getfixturevalue(_fixture_of_the_test_loop(request))
    return store


@pytest.fixture(scope="session")
def breakglass_dynamodb_endpoint() -> Iterator[str]:
    """Return the endpoint URL of the server behind `breakglass_dynamodb`, one per process."""
    from aiobreakglass.testing import moto_server

    with moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def _breakglass_session() -> AioSession:
    # One for all tests, because each session reads botocore's data on AWS again.
    from aiobotocore.session import get_session

    session = get_session()
    session.set_credentials("testing", "testing")
    return session


@pytest.fixture
def _breakglass_opening(
    breakglass_dynamodb_endpoint: str, _breakglass_session: AioSession, breakglass_clock: FakeClock
) -> Opening:
    return _open(breakglass_dynamodb_endpoint, _breakglass_session, breakglass_clock)


# An async fixture must run in the event loop of the test that requests it. Each plugin arranges
# that in its own way, and no plugin accepts the other's fixtures in all of its modes. So there is
# one fixture for each loop in which a test can run.


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixtures that only pytest-asyncio can run."""
    if config.pluginmanager.has_plugin("asyncio"):
        fixtures = ModuleType(f"{__name__}: for pytest-asyncio")
        for loop_scope in _LOOP_SCOPES:
            setattr(fixtures, loop_scope, _fixture_for_pytest_asyncio(loop_scope))
        config.pluginmanager.register(fixtures)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Fail an async test of ours that no plugin runs, with a line that says what to do.

    The plugins that run async tests come before this hook. pytest comes after it, and would only
    say that async tests are not supported.
    """
    if inspect.iscoroutinefunction(pyfuncitem.obj) and _is_ours(pyfuncitem):
        has_plugin = pyfuncitem.config.pluginmanager.has_plugin("asyncio")
        install = "" if has_plugin else "pip install pytest-asyncio, and "
        pytest.fail(
            f"no plugin runs this async test: {install}set asyncio_mode = auto in pytest's "
            "settings, or mark the test with @pytest.mark.asyncio or @pytest.mark.anyio",
            pytrace=False,
        )


def _is_ours(item: pytest.Function) -> bool:
    is_of_contract = item.obj.__module__.startswith("aiobreakglass.testing.")
    return is_of_contract or any(name.startswith("breakglass_") for name in item.fixturenames)


def _fixture_of_the_test_loop(request: pytest.FixtureRequest) -> str:
    if "anyio_backend" in request.fixturenames:
        return "_breakglass_dynamodb_for_anyio"
    if not request.config.pluginmanager.has_plugin("asyncio"):
        pytest.fail(
            "breakglass_dynamodb needs an event loop: install pytest-asyncio, or mark the test "
            "with @pytest.mark.anyio",
            pytrace=False,
        )
    marker = request.node.get_closest_marker("asyncio")
    default = request.config.getini("asyncio_default_test_loop_scope")
    loop_scope = default if marker is None else marker.kwargs.get("loop_scope", default)
    return f"_breakglass_dynamodb_for_{loop_scope}_loop"


def _require_asyncio(request: pytest.FixtureRequest) -> None:
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend_name")
        if backend != "asyncio":
            pytest.fail(
                f"aiobreakglass runs on asyncio, and not on {backend}: let the fixture "
                'anyio_backend return "asyncio"',
                pytrace=False,
            )


@pytest.fixture
async def _breakglass_dynamodb_for_anyio(
    _breakglass_opening: Opening,
) -> AsyncIterator[AsyncDynamoDBStore]:
    async with _breakglass_opening as store:
        yield store


def _fixture_for_pytest_asyncio(loop_scope: LoopScope) -> Callable[..., object]:
    import pytest_asyncio

    @pytest_asyncio.fixture(
        name=f"_breakglass_dynamodb_for_{loop_scope}_loop", loop_scope=loop_scope
    )
    async def fixture(_breakglass_opening: Opening) -> AsyncIterator[AsyncDynamoDBStore]:
        async with _breakglass_opening as store:
            yield store

    return fixture


@asynccontextmanager
async def _open(
    endpoint_url: str, session: AioSession, clock: FakeClock
) -> AsyncIterator[AsyncDynamoDBStore]:
    from aiobotocore.config import AioConfig

    from aiobreakglass import AsyncDynamoDBStore, create_table
    from aiobreakglass._aws.client import open_client

    table_name = f"breakglass-{uuid4().hex}"
    place: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": endpoint_url,
        "config": AioConfig(proxies={}),
    }
    async with AsyncExitStack() as stack:
        with _no_aws_settings():
            async with session.create_client("dynamodb", **place) as client:
                await create_table(client, table_name)
            # If both plugins are installed, pytest-asyncio may run this fixture in another loop
            # than anyio runs the test. A borrowed client belongs to the loop of its first request.
            opened = await stack.enter_async_context(open_client(session=session, **place))
        yield AsyncDynamoDBStore(opened.client, table_name, clock=clock)


@contextmanager
def _no_aws_settings() -> Iterator[None]:
    """Hide the machine's AWS settings, because some would keep a client from an emulator."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield
