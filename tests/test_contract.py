"""Every store satisfies the contract; and tests of the contract's own tools."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Literal

import pytest
import pytest_asyncio

import aiobreakglass.testing
from aiobreakglass import (
    AsyncDynamoDBStore,
    BreakGlassEvent,
    BreakGlassStatus,
    InMemoryStore,
)
from aiobreakglass._aws.client import Opened, open_client
from aiobreakglass._aws.fast.transport import FastTransport
from aiobreakglass._domain.limits import LimitsFor
from aiobreakglass.testing import (
    FakeClock,
    GovernedStoreContract,
    LimitedStoreContract,
    StoreContract,
    make_event,
)
from aiobreakglass.testing._contract_cursors import CursorsContract
from aiobreakglass.testing._contract_endings import EndingsContract
from aiobreakglass.testing._contract_extension import ExtensionContract
from aiobreakglass.testing._contract_governed_fields import GovernedFieldsContract
from aiobreakglass.testing._contract_governed_races import GovernedRacesContract
from aiobreakglass.testing._contract_history import HistoryContract
from aiobreakglass.testing._contract_hold import HoldContract
from aiobreakglass.testing._contract_limits_races import LimitsRacesContract
from aiobreakglass.testing._contract_limits_steps import Limited
from aiobreakglass.testing._contract_lists import ListsContract
from aiobreakglass.testing._contract_opening import OpeningContract
from aiobreakglass.testing._contract_oversight_races import OversightRacesContract
from aiobreakglass.testing._contract_questions import QuestionsContract
from aiobreakglass.testing._contract_quotas import QuotasContract
from aiobreakglass.testing._contract_races import RacesContract
from aiobreakglass.testing._contract_review import ReviewContract
from aiobreakglass.testing._contract_review_queue import ReviewQueueContract
from aiobreakglass.testing._contract_updates import UpdatesContract
from tests.dynamodb.tables import temporary_table
from tests.dynamodb.waiting import LONG_ENOUGH, PATIENT

REGION = "eu-central-1"
HOUR = timedelta(hours=1)


on_one_loop = pytest.mark.asyncio(loop_scope="class")


class TestInMemoryStore(LimitedStoreContract, GovernedStoreContract):
    @pytest.fixture
    def store(self, clock: FakeClock) -> InMemoryStore:
        return InMemoryStore(clock=clock)

    @pytest.fixture
    def limited(self, clock: FakeClock) -> Limited:
        return lambda limits: InMemoryStore(clock=clock, limits=limits)


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    """One client for all tests of a class, because creating it takes longer than most tests."""
    endpoint_url = request.getfixturevalue(request.cls.endpoint)
    async with open_client(REGION, endpoint_url, None, PATIENT) as opened:
        yield opened


@pytest_asyncio.fixture(scope="class", loop_scope="class")
async def transport(request: pytest.FixtureRequest, opened: Opened) -> FastTransport | None:
    """The fast transport of that client, which knows no table; None for the standard one."""
    return await opened.transport("breakglass") if request.cls.transport == "fast" else None


@pytest.mark.emulator
class OnDynamoDB:
    """A store on a new table for each test."""

    endpoint: str
    """The fixture that starts the emulator."""
    transport: Literal["fast", "standard"]

    @pytest_asyncio.fixture(loop_scope="class")
    async def limited(
        self, opened: Opened, transport: FastTransport | None, clock: FakeClock
    ) -> AsyncIterator[Limited]:
        async with temporary_table(opened.client) as name:

            def store(limits: LimitsFor | None) -> AsyncDynamoDBStore:
                store = AsyncDynamoDBStore(
                    opened.client,
                    name,
                    clock=clock,
                    operation_timeout=LONG_ENOUGH,
                    transport=transport,
                    limits=limits,
                )
                assert store.transport == self.transport
                return store

            yield store

    @pytest.fixture
    def store(self, limited: Callable[[None], AsyncDynamoDBStore]) -> AsyncDynamoDBStore:
        return limited(None)


class RulesOfWritesContract(
    HistoryContract,
    GovernedFieldsContract,
    GovernedRacesContract,
    ExtensionContract,
    ReviewContract,
    HoldContract,
    OversightRacesContract,
    QuotasContract,
    LimitsRacesContract,
    UpdatesContract,
    EndingsContract,
    RacesContract,
):
    """The parts that write, without those that are refused before any request."""

    clock = StoreContract.clock


class ReadsContract(ListsContract, ReviewQueueContract, CursorsContract, QuestionsContract):
    """The parts that list and count."""

    clock = StoreContract.clock


class RefusalsContract(RacesContract):
    """The parts that depend on both emulator and transport: how a transaction is refused."""

    clock = StoreContract.clock


class TextsContract(OpeningContract):
    """The parts that write and read back values of every kind."""

    clock = StoreContract.clock


# Every case runs on `InMemoryStore`, and on `AsyncDynamoDBStore` on our model of DynamoDB
# (`tests/simulation/dynamodb`), where wrong arguments and the rules about a single event are tried
# on this store alone: no emulator sees them. Each rule that sends requests runs with its first
# case on DynamoDB Local by the fast transport, and on moto by the standard one; values of every
# kind are written and read back in all their cases. Refusals run on the other two pairs as well:
# what a transaction says does not depend on the transport, and `tests/dynamodb/transport` compares
# both.


@on_one_loop
@pytest.mark.first_case
class TestFastOnDynamoDBLocal(OnDynamoDB, RulesOfWritesContract, ReadsContract):
    endpoint = "dynamodb_local_endpoint"
    transport = "fast"


@on_one_loop
class TestTextsByFastOnDynamoDBLocal(OnDynamoDB, TextsContract):
    endpoint = "dynamodb_local_endpoint"
    transport = "fast"


@on_one_loop
@pytest.mark.first_case
class TestStandardOnMoto(OnDynamoDB, RulesOfWritesContract, ReadsContract):
    endpoint = "moto_endpoint"
    transport = "standard"


@on_one_loop
class TestTextsByStandardOnMoto(OnDynamoDB, TextsContract):
    endpoint = "moto_endpoint"
    transport = "standard"


@on_one_loop
@pytest.mark.first_case
class TestStandardOnDynamoDBLocal(OnDynamoDB, RefusalsContract):
    endpoint = "dynamodb_local_endpoint"
    transport = "standard"


@on_one_loop
@pytest.mark.first_case
class TestFastOnMoto(OnDynamoDB, RefusalsContract):
    endpoint = "moto_endpoint"
    transport = "fast"


class TestMadeEvent:
    def test_make_event_without_arguments_is_active(self) -> None:
        """An event made without arguments is new, active, and has its own id."""
        event = make_event()
        assert event.is_active()
        assert event != make_event(created_at=event.created_at)

    @pytest.mark.parametrize("status", BreakGlassStatus)
    def test_make_event_of_each_status(self, status: BreakGlassStatus) -> None:
        """A status alone is enough to make an event in that status."""
        assert make_event(status=status).status is status
        assert make_event(status=status.value).status is status

    def test_make_event_with_every_field(self) -> None:
        """Every field can be given."""
        fields = {
            "id": "0123456789abcdef",
            "invoker": "carol",
            "profile": "staging",
            "reason_code": "security",
            "justification": "An intruder is in the building",
            "duration": 2 * HOUR,
            "status": "closed",
            "created_at": FakeClock.START,
            "updated_at": FakeClock.START + HOUR,
            "expires_at": FakeClock.START + 3 * HOUR,
            "closed_by": "dave",
            "closed_reason": "It was the cleaner",
            "request_id": "c0ffee",
            "mfa_verified": True,
            "mfa_method": "totp",
            "mfa_challenge_id": "challenge/7",
            "ended_at": FakeClock.START + HOUR,
            "extensions": 1,
            "reviewed_by": "erin",
            "reviewed_at": FakeClock.START + 3 * HOUR,
            "review_outcome": "justified",
            "review_comment": "Better safe than sorry",
            "held_by": "frank",
            "held_at": FakeClock.START + 4 * HOUR,
            "held_reason": "The insurance asks",
            "labels": {"ticket": "OPS-7"},
        }
        assert fields.keys() == BreakGlassEvent.model_fields.keys()
        assert make_event(**fields).model_dump() == fields

    def test_make_event_refuses_a_wrong_field(self) -> None:
        """A made event follows the same rules as any other."""
        with pytest.raises(ValueError, match="invoker"):
            make_event(invoker="")


class TestFakeClock:
    def test_fake_clock_stands_still(self) -> None:
        """The clock stands still, and always starts at the same instant."""
        clock = FakeClock()
        assert clock() == clock() == FakeClock()() == FakeClock.START

    def test_fake_clock_starts_at_chosen_instant(self) -> None:
        """The clock can start at any instant, and returns its time in UTC."""
        start = datetime(2024, 3, 1, 12, tzinfo=timezone(HOUR))
        clock = FakeClock(start)
        assert clock() == start
        assert clock().tzinfo is UTC

    def test_fake_clock_moves_forward_back_and_to_an_instant(self) -> None:
        """`advance` moves the clock forward or back; `set` moves it to an instant."""
        clock = FakeClock()
        clock.advance(2 * HOUR)
        clock.advance(-3 * HOUR)
        assert clock() == FakeClock.START - HOUR
        clock.set(datetime(2024, 3, 1, 12, tzinfo=timezone(HOUR)))
        assert clock() == datetime(2024, 3, 1, 11, tzinfo=UTC)
        assert clock().tzinfo is UTC

    @pytest.mark.parametrize("by", [5, 5.0, None, "PT5S"])
    def test_fake_clock_advance_by_non_timedelta_is_refused(self, by: Any) -> None:
        """A number has no unit, so the error says what to write instead."""
        clock = FakeClock()
        with pytest.raises(TypeError, match=r"by must be a timedelta, not .+: write timedelta"):
            clock.advance(by)
        assert clock() == FakeClock.START

    async def test_event_of_another_clock_is_refused(self) -> None:
        """An event of the machine's present is refused with the time of the store's clock."""
        store = InMemoryStore(clock=FakeClock())
        with pytest.raises(ValueError, match="the store's clock, which reads 2001-02-03T04:05:06"):
            await store.create(make_event())

    @pytest.mark.parametrize(
        ("instant", "error"),
        [(datetime(2024, 3, 1), ValueError), (date(2024, 3, 1), TypeError), (7, TypeError)],  # noqa: DTZ001
    )
    def test_fake_clock_refuses_a_non_instant(self, instant: Any, error: type[Exception]) -> None:
        """`FakeClock` refuses what a store would refuse, and keeps its time."""
        clock = FakeClock()
        with pytest.raises(error, match="instant must be"):
            clock.set(instant)
        with pytest.raises(error, match="start must be"):
            FakeClock(instant)
        assert clock() == FakeClock.START


@pytest.mark.slow
class TestImportingTheKit:
    @pytest.mark.parametrize(
        ("names", "loaded"),
        [
            ("FakeClock, FaultyStore, make_event, moto_server", set()),
            ("StoreContract", {"pytest"}),
            ("GovernedStoreContract", {"pytest"}),
            ("LimitedStoreContract", {"pytest"}),
        ],
    )
    def test_import_loads_pytest_only_for_contracts(self, names: str, loaded: set[str]) -> None:
        """Only the contracts need pytest; moto is imported when its server starts."""
        program = (
            f"from aiobreakglass.testing import {names}\n"
            "import sys\n"
            "print(*{'pytest', 'moto'} & {*sys.modules})"
        )
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert set(answer.stdout.split()) == loaded

    def test_unknown_name_raises_attribute_error(self) -> None:
        """An unknown name raises Python's usual `AttributeError`."""
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            _ = aiobreakglass.testing.nonsense


class TestParts:
    def test_no_part_of_the_contract_hides_a_test_of_another(self) -> None:
        """The parts are inherited together, so two tests of one name would be one test."""
        parts = {*GovernedStoreContract.__mro__, *LimitedStoreContract.__mro__}
        names = Counter(name for part in parts for name in vars(part) if name.startswith("test_"))
        assert [name for name, count in names.items() if count > 1] == []
