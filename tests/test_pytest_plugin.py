"""The fixtures for users' suites: each test here runs such a suite as a user would."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aiobreakglass.testing import FakeClock

SUITE = """
import asyncio
from datetime import timedelta

import pytest

from aiobreakglass import ActiveEventExistsError
from aiobreakglass.testing import FakeClock, make_event

{preamble}

@pytest.fixture(params=["breakglass_store", "breakglass_dynamodb"])
def store(request):
    return request.getfixturevalue(request.param)

async def held(store):
    return await store.find_active_by_invoker_and_profile("alice", "prod")

@pytest.mark.parametrize("time", ["first", "second"])
async def test_starts_afresh_each_time(store, breakglass_clock, time):
    assert breakglass_clock() == FakeClock.START
    breakglass_clock.advance(timedelta(minutes=1))
    event = await store.create(make_event(created_at=breakglass_clock()))
    assert [*await store.list_by_invoker("alice")] == [event]

async def test_takes_its_time_from_the_clock(store, breakglass_clock):
    event = await store.create(make_event(created_at=breakglass_clock()))
    assert await held(store) == event
    breakglass_clock.advance(event.duration)
    assert await held(store) is None

async def test_shows_a_race(store, breakglass_clock):
    async def check_then_create():
        assert await held(store) is None
        await store.create(make_event(created_at=breakglass_clock()))

    outcomes = await asyncio.gather(
        check_then_create(), check_then_create(), return_exceptions=True
    )
    assert {{type(outcome) for outcome in outcomes}} == {{ActiveEventExistsError, type(None)}}
"""
PASSED = 8
"""The number of tests: four, each with two stores."""

STRICT = SUITE.format(preamble="pytestmark = pytest.mark.asyncio")
AUTO = SUITE.format(preamble="")
ANYIO = SUITE.format(
    preamble="""
pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
)

# Some versions of pytest-asyncio warn if this is unset.
BOTH = ("-o", "asyncio_default_fixture_loop_scope=function")
ASYNCIO = (*BOTH, "-p", "no:anyio")
ANYIO_ALONE = ("-p", "no:asyncio")


@pytest.fixture(autouse=True)
def settings_of_its_own(pytester: pytest.Pytester) -> None:
    """Keep this project's settings out, wherever the temporary folder is."""
    pytester.makefile(".ini", pytest="[pytest]\n")


TEST_BY_SCOPE = """
import pytest
from aiobreakglass.testing import make_event

@pytest.mark.asyncio({scope})
async def test_opens_access(breakglass_dynamodb, breakglass_clock):
    await breakglass_dynamodb.create(make_event(created_at=breakglass_clock()))
"""
BY_SCOPE = {
    "test_by_setting": TEST_BY_SCOPE.format(scope=""),
    **{
        f"test_by_{scope}": TEST_BY_SCOPE.format(scope=f"loop_scope={scope!r}")
        for scope in ("function", "class", "module", "package", "session")
    },
}


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in its own process, with every warning as an error."""
    return pytester.runpytest_subprocess("-W", "error", *options)


def run_here(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in this process, where all is imported already."""
    return pytester.runpytest_inprocess("-W", "error", *options)


class TestBothStores:
    def test_fixtures_work_under_anyio_alone(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The fixtures work without pytest-asyncio, and close what they opened.

        No AWS profile, credential, region, option or proxy of the machine has an effect.
        """
        monkeypatch.setenv("AWS_PROFILE", "one-that-does-not-exist")
        monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        pytester.makepyfile(
            ANYIO
            + """
async def test_keeps_the_settings_for_others(breakglass_dynamodb):
    import os
    assert os.environ["AWS_PROFILE"] == "one-that-does-not-exist"
"""
        )
        run(pytester, *ANYIO_ALONE).assert_outcomes(passed=PASSED + 1)

    def test_fixtures_work_under_pytest_asyncio_alone(self, pytester: pytest.Pytester) -> None:
        """The fixtures work without anyio's plugin."""
        pytester.makepyfile(AUTO)
        run_here(pytester, *ASYNCIO, "--asyncio-mode=auto").assert_outcomes(passed=PASSED)

    def test_store_opens_in_the_loop_of_its_test(self, pytester: pytest.Pytester) -> None:
        """In strict mode beside anyio, a store opens in the loop of its test, whatever its scope.

        The scope is the mark's, or the one in pytest's settings.
        """
        pytester.makepyfile(test_asyncio=STRICT, test_anyio=ANYIO, **BY_SCOPE)
        default = "asyncio_default_test_loop_scope=session"
        result = run(pytester, *BOTH, "--asyncio-mode=strict", "-o", default)
        result.assert_outcomes(passed=2 * PASSED + len(BY_SCOPE))

    def test_parallel_processes_share_no_tables(self, pytester: pytest.Pytester) -> None:
        """Under pytest-xdist, no worker sees another worker's tables.

        In auto mode beside anyio, each test gets its store from the plugin that runs it.
        """
        pytester.makepyfile(test_asyncio=AUTO, test_anyio=ANYIO)
        result = run(pytester, *BOTH, "--asyncio-mode=auto", "-n", "2")
        result.assert_outcomes(passed=2 * PASSED)


class TestRefusal:
    @pytest.mark.parametrize("fixture", ["breakglass_store", "breakglass_dynamodb"])
    def test_backend_other_than_asyncio_is_refused(
        self, pytester: pytest.Pytester, fixture: str
    ) -> None:
        """Under another anyio backend, the fixtures say what to do before anything else."""
        pytester.makepyfile(f"""
import pytest

@pytest.fixture
def anyio_backend():
    return "trio"

@pytest.mark.anyio
async def test_on_trio({fixture}): ...
""")
        result = run_here(pytester, *ANYIO_ALONE)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            ['aiobreakglass runs on asyncio, and not on trio: let * return "asyncio"']
        )

    def test_missing_async_plugin_is_named(self, pytester: pytest.Pytester) -> None:
        """Without an async plugin, the fixture says that it needs one."""
        pytester.makepyfile("def test_without_a_loop(breakglass_dynamodb): ...")
        result = run_here(pytester, *ANYIO_ALONE)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["breakglass_dynamodb needs *: install pytest-asyncio, or *"])


class TestAsyncTestThatNoPluginRuns:
    SUITE = """
import pytest
from aiobreakglass import InMemoryStore
from aiobreakglass.testing import StoreContract

async def test_with_a_fixture(breakglass_store): ...

class TestContract(StoreContract):
    @pytest.fixture
    def store(self, clock):
        return InMemoryStore(clock=clock)
"""
    ONE_OF_EACH = ("-k", "test_with_a_fixture or test_get_of_unknown_id_raises_not_found")

    @pytest.mark.parametrize(
        ("options", "advice"),
        [
            (ANYIO_ALONE, "pip install pytest-asyncio, and set asyncio_mode = auto *"),
            ([*ASYNCIO, "--asyncio-mode=strict"], "set asyncio_mode = auto in *"),
        ],
        ids=["no plugin", "a plugin in strict mode"],
    )
    def test_async_test_without_plugin_says_what_to_install(
        self, pytester: pytest.Pytester, options: list[str], advice: str
    ) -> None:
        """Tests with the fixtures and tests of the contract both say what to install or set."""
        pytester.makepyfile(self.SUITE)
        result = run_here(pytester, *options, "--tb=short", *self.ONE_OF_EACH)
        result.assert_outcomes(failed=2)
        result.stdout.no_fnmatch_line("*natively supported*")
        lines = [line for line in result.outlines if line.startswith("no plugin runs")]
        assert len(lines) == 2
        result.stdout.fnmatch_lines([f"no plugin runs this async test: {advice}"] * 2)

    def test_async_test_of_others_is_left_to_pytest(self, pytester: pytest.Pytester) -> None:
        """The plugin says nothing in a suite that does not use it."""
        pytester.makepyfile("async def test_of_theirs(): ...")
        result = run_here(pytester, *ANYIO_ALONE)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*not natively supported*"])


class TestPlugin:
    def test_unused_plugin_imports_nothing_heavy(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A suite that uses none of the fixtures does not pay for them."""
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        heavy = {"aiobotocore", "aiohttp", "asyncio", "botocore", "moto", "pydantic", "werkzeug"}
        pytester.makepyfile(f"""
import sys

def test_what_is_imported():
    assert "aiobreakglass.pytest_plugin" in sys.modules
    assert {heavy!r} & {{*sys.modules}} == set()
""")
        run(pytester, "-p", "aiobreakglass.pytest_plugin").assert_outcomes(passed=1)

    def test_missing_moto_says_what_to_install(self, pytester: pytest.Pytester) -> None:
        """If moto is missing, the error says how to get it."""
        pytester.makeconftest("""
import sys

# The second may be imported already.
for name in ("moto", "moto.moto_server.werkzeug_app"):
    sys.modules[name] = None
""")
        pytester.makepyfile("def test_on_dynamodb(breakglass_dynamodb): ...")
        result = run_here(pytester, *ASYNCIO)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["E *needs moto: pip install 'aiobreakglass[[]testing]'"])

    def test_pytest_lists_the_public_fixtures(self, pytester: pytest.Pytester) -> None:
        """`pytest --fixtures` lists the four public fixtures with their docstrings."""
        lines = run_here(pytester, "--fixtures", *ANYIO_ALONE).stdout.lines
        documented = {
            line.split()[0]: following.strip()
            for line, following in pairwise(lines)
            if line.startswith("breakglass_")
        }
        assert documented == {
            "breakglass_clock": "Return the clock of the test's stores, which moves only when "
            "told to.",
            "breakglass_store": "Return an empty `InMemoryStore` that takes its time from "
            "`breakglass_clock`.",
            "breakglass_dynamodb": "Return an `AsyncDynamoDBStore` on an empty table of moto, "
            "with `breakglass_clock`.",
            "breakglass_dynamodb_endpoint": "Return the endpoint URL of the server behind "
            "`breakglass_dynamodb`, one per process.",
        }


def test_plugin_is_loaded_in_this_run(
    breakglass_store: object, breakglass_clock: FakeClock
) -> None:
    """pytest finds the plugin of the installed package without being told."""
    assert breakglass_store is not None
    assert breakglass_clock() == FakeClock.START
