"""What is found in a table, and how it is repaired."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from aiobreakglass._table.definition import Definition, key_schema
from aiobreakglass._table.judgments import judge
from aiobreakglass._table.problem import State
from aiobreakglass._table.structure import is_ours
from tests.documents.pages import ROOT, Page

from .commands import request_of, validate
from .states import DEFINITION, KEY, described, good, typed, with_index, without_index

UPDATE = "aws dynamodb update-table --region eu-west-1 --table-name break-glass"
NEW_TABLE = "make another table with create_table, and point the programs at it"
REMADE = "delete the index, then let harden_table add it; what reads it fails until it is filled"
BY_STATUS = "expected an index by status and created_at that projects all attributes"

WITH_KEY = DEFINITION._replace(kms_key=KEY)
WITH_STREAM = DEFINITION._replace(stream="NEW_IMAGE")
ENCRYPTION = f'\'{{"Enabled": true, "SSEType": "KMS", "KMSMasterKeyId": "{KEY}"}}\''
ON_DEMAND = (
    '\'[{"Create": {"IndexName": "review-index", "KeySchema": '
    '[{"AttributeName": "awaiting_review", "KeyType": "HASH"}, '
    '{"AttributeName": "created_at", "KeyType": "RANGE"}], '
    '"Projection": {"ProjectionType": "ALL"}}}]\''
)
ADDED = (
    f"{UPDATE} --attribute-definitions "
    '\'[{"AttributeName": "pk", "AttributeType": "S"}, '
    '{"AttributeName": "awaiting_review", "AttributeType": "S"}, '
    '{"AttributeName": "created_at", "AttributeType": "S"}]\' '
    f"--global-secondary-index-updates {ON_DEMAND}"
)


def expiring(status: str, attribute: str | None = None) -> State:
    """Return the state of a table with another TTL."""
    ttl = {"TimeToLiveStatus": status}
    return good()._replace(
        time_to_live=ttl if attribute is None else {**ttl, "AttributeName": attribute}
    )


def unprotected(state: State) -> State:
    """Return the state of a table on an endpoint that does not know deletion protection."""
    description = dict(state.description)
    del description["DeletionProtectionEnabled"]
    return state._replace(description=description)


def case(
    name: str,
    state: State,
    *findings: str,
    definition: Definition = DEFINITION,
    safe: int = 0,
) -> Any:
    return pytest.param(state, definition, list(findings), safe, id=name)


CASES = [
    case("nothing", good()),
    case(
        "being made",
        described(good(), TableStatus="CREATING"),
        "info: table break-glass: status: found CREATING; expected ACTIVE; wait until it is made",
    ),
    case("being changed", described(good(), TableStatus="UPDATING")),
    case(
        "being deleted",
        described(good(), TableStatus="DELETING"),
        "error: table break-glass: status: found DELETING; expected ACTIVE; wait until it is gone",
    ),
    case(
        "key lost",
        described(
            good(WITH_KEY),
            TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS",
            SSEDescription={
                "KMSMasterKeyArn": KEY,
                "InaccessibleEncryptionDateTime": datetime(2026, 11, 26, tzinfo=UTC),
            },
        ),
        "error: table break-glass: status: found INACCESSIBLE_ENCRYPTION_CREDENTIALS; expected "
        "ACTIVE; see to its KMS key, or to what DynamoDB's console says",
        "error: table break-glass: encryption key: found a KMS key that DynamoDB cannot use; "
        "expected a key that it can use; let DynamoDB use the key again; after seven days it "
        "archives the table",
        definition=WITH_KEY,
    ),
    case(
        "another key",
        described(good(), KeySchema=key_schema("id", "created_at")),
        "error: table break-glass: key: found id and created_at; expected pk alone; " + NEW_TABLE,
    ),
    case(
        "numbers for keys",
        typed(good(), "pk", "N"),
        "error: attribute pk of table break-glass: attribute type: found N; expected S; "
        + NEW_TABLE,
    ),
    case(
        "numbers in an index",
        typed(good(), "status", "N"),
        "error: attribute status of table break-glass: attribute type: found N; expected S; "
        "delete the indexes that it is a key of, then call harden_table",
    ),
    case(
        "an index that is missing",
        without_index(good(), "review-index"),
        "error: index review-index of table break-glass: missing index: found no such index; "
        "expected an index by awaiting_review and created_at that projects all attributes; "
        f"{ADDED}",
        safe=1,
    ),
    case(
        "an index that cannot be added",
        typed(without_index(good(), "status-index"), "status", "N"),
        f"error: index status-index of table break-glass: missing index: found no such index; "
        f"{BY_STATUS}; correct the types of its keys first, then call harden_table",
        "error: attribute status of table break-glass: attribute type: found N; expected S; "
        "delete the indexes that it is a key of, then call harden_table",
    ),
    case(
        "an index over another field",
        with_index(good(), "status-index", KeySchema=key_schema("status", "updated_at")),
        f"error: index status-index of table break-glass: index: found the keys status and "
        f"updated_at; {BY_STATUS}; {REMADE}: {UPDATE} --global-secondary-index-updates "
        '\'[{"Delete": {"IndexName": "status-index"}}]\'',
    ),
    case(
        "an index without all attributes",
        with_index(good(), "status-index", Projection={"ProjectionType": "KEYS_ONLY"}),
        f"error: index status-index of table break-glass: index: found the projection KEYS_ONLY; "
        f"{BY_STATUS}; {REMADE}: {UPDATE} --global-secondary-index-updates "
        '\'[{"Delete": {"IndexName": "status-index"}}]\'',
    ),
    case(
        "an index that is being filled",
        with_index(good(), "status-index", IndexStatus="CREATING"),
        "warning: index status-index of table break-glass: index status: found CREATING; "
        "expected ACTIVE; wait until DynamoDB has filled it",
    ),
    case(
        "an index that is being deleted",
        with_index(good(), "review-index", IndexStatus="DELETING", KeySchema=key_schema("status")),
        "error: index review-index of table break-glass: missing index: found an index that is "
        "being deleted; expected an index by awaiting_review and created_at that projects all "
        f"attributes; when it is gone, add it again: {ADDED}",
        safe=1,
    ),
    case(
        "an index that is being deleted because of the types of its keys",
        typed(with_index(good(), "status-index", IndexStatus="DELETING"), "status", "N"),
        "error: index status-index of table break-glass: missing index: found an index that is "
        f"being deleted; {BY_STATUS}; correct the types of its keys first, then call harden_table",
        "error: attribute status of table break-glass: attribute type: found N; expected S; "
        "delete the indexes that it is a key of, then call harden_table",
    ),
    case(
        "an index more",
        described(
            good(),
            GlobalSecondaryIndexes=[
                *good().description["GlobalSecondaryIndexes"],
                {"IndexName": "theirs", "KeySchema": key_schema("request_id")},
            ],
        ),
    ),
    case(
        "no deletion protection",
        described(good(), DeletionProtectionEnabled=False),
        "warning: table break-glass: deletion protection: found off; expected on; "
        f"{UPDATE} --deletion-protection-enabled",
        safe=1,
    ),
    case(
        "no deletion protection, as wanted",
        described(good(), DeletionProtectionEnabled=False),
        definition=DEFINITION._replace(deletion_protection=False),
    ),
    case(
        "an emulator without protections",
        unprotected(good())._replace(recovery=None),
        "warning: table break-glass: deletion protection: found not known to this endpoint; "
        "expected on; nothing on an emulator; DynamoDB has it",
        "warning: table break-glass: point-in-time recovery: found not known to this endpoint; "
        "expected on; nothing on an emulator; DynamoDB has it",
    ),
    case(
        "no recovery",
        good()._replace(recovery="DISABLED"),
        "warning: table break-glass: point-in-time recovery: found off; expected on; "
        "aws dynamodb update-continuous-backups --region eu-west-1 --table-name break-glass "
        "--point-in-time-recovery-specification '{\"PointInTimeRecoveryEnabled\": true}'",
        safe=1,
    ),
    case(
        "no recovery, as wanted",
        good()._replace(recovery="DISABLED"),
        definition=DEFINITION._replace(point_in_time_recovery=False),
    ),
    case(
        "TTL that is off",
        expiring("DISABLED"),
        "warning: table break-glass: time to live: found off; expected on, by the "
        "attribute ttl; DynamoDB then deletes the rows whose retention has ended: "
        "aws dynamodb update-time-to-live --region eu-west-1 --table-name break-glass "
        '--time-to-live-specification \'{"AttributeName": "ttl", "Enabled": true}\'',
    ),
    case(
        "TTL that is being turned off",
        expiring("DISABLING", "expires_at"),
        "warning: table break-glass: time to live: found being turned off; expected on, by the "
        "attribute ttl; wait until it is off, which takes up to an hour, and verify the table "
        "again",
    ),
    case("TTL that is being turned on", expiring("ENABLING", "ttl")),
    case(
        "TTL by another attribute",
        expiring("ENABLED", "expires_at"),
        "error: table break-glass: time to live: found on, by the attribute expires_at; expected "
        "on, by the attribute ttl; rows are deleted at the wrong time; turn it off, and an hour "
        "later on by ttl: "
        "aws dynamodb update-time-to-live --region eu-west-1 --table-name break-glass "
        '--time-to-live-specification \'{"AttributeName": "expires_at", "Enabled": false}\'',
    ),
    case("the key that is wanted", good(WITH_KEY), definition=WITH_KEY),
    case("a key that nobody asked for", good(WITH_KEY)),
    case(
        "DynamoDB's own key",
        good(),
        "warning: table break-glass: encryption: found a key of DynamoDB's own; expected the key "
        f"{KEY}; first let everybody who uses the table use the key: {UPDATE} "
        f"--sse-specification {ENCRYPTION}",
        definition=WITH_KEY,
    ),
    case(
        "another encryption key",
        good(WITH_KEY._replace(kms_key=KEY + "0")),
        f"warning: table break-glass: encryption: found the key {KEY}0; expected the key {KEY}; "
        f"first let everybody who uses the table use the key: {UPDATE} "
        f"--sse-specification {ENCRYPTION}",
        definition=WITH_KEY,
    ),
    case("the stream that is wanted", good(WITH_STREAM), definition=WITH_STREAM),
    case(
        "a stream that is off",
        described(
            good(),
            StreamSpecification={"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"},
        ),
    ),
    case(
        "no stream",
        good(),
        "warning: table break-glass: stream: found off; expected on, with NEW_IMAGE; "
        f"{UPDATE} --stream-specification "
        '\'{"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}\'',
        definition=WITH_STREAM,
        safe=1,
    ),
    case(
        "a stream that nobody asked for",
        good(WITH_STREAM),
        "info: table break-glass: stream: found on, with NEW_IMAGE; expected off; whoever may "
        "read the stream reads the rows; if nobody needs it, turn it off: "
        f"{UPDATE} --stream-specification '{{\"StreamEnabled\": false}}'",
    ),
    case(
        "another stream",
        good(WITH_STREAM),
        "warning: table break-glass: stream: found on, with NEW_IMAGE; expected on, with "
        "KEYS_ONLY; turn it off, which ends it for its readers, then call harden_table: "
        f"{UPDATE} --stream-specification '{{\"StreamEnabled\": false}}'",
        definition=DEFINITION._replace(stream="KEYS_ONLY"),
    ),
    case(
        "another stream of a global table",
        described(
            good(DEFINITION._replace(stream="NEW_AND_OLD_IMAGES")),
            Replicas=[{"RegionName": "us-east-1"}],
        ),
        "warning: table break-glass: stream: found on, with NEW_AND_OLD_IMAGES; expected on, with "
        "KEYS_ONLY; ask for NEW_AND_OLD_IMAGES, because a global table replicates by its stream",
        "info: table break-glass: replicas: found us-east-1; expected one region that writes; let "
        "only one region write: transactions do not hold across regions",
        definition=DEFINITION._replace(stream="KEYS_ONLY"),
    ),
    case(
        "a global table",
        described(
            good(DEFINITION._replace(stream="NEW_AND_OLD_IMAGES")),
            Replicas=[{"RegionName": "us-east-1"}, {"RegionName": "eu-central-1"}],
        ),
        "info: table break-glass: replicas: found eu-central-1, us-east-1; expected one region "
        "that writes; let only one region write: transactions do not hold across regions",
    ),
    case(
        "a global table without transactions",
        described(good(), Replicas=[], MultiRegionConsistency="STRONG"),
        "error: table break-glass: replicas: found strong consistency; expected eventual; make "
        "another table with create_table: DynamoDB refuses transactions in this one",
    ),
]


class TestFindings:
    @pytest.mark.parametrize(("state", "definition", "found", "safe"), CASES)
    def test_each_difference_is_found_alone(
        self, state: State, definition: Definition, found: list[str], safe: int
    ) -> None:
        """A finding says what is, what should be, and the fix; some fixes take nothing away."""
        problems = judge(definition, state)
        assert [str(problem.finding) for problem in problems] == found
        assert (
            sum(problem.repair is not None and problem.repair.is_safe for problem in problems)
            == safe
        )

    @pytest.mark.parametrize(("state", "definition", "found", "safe"), CASES)
    def test_command_sends_the_request_of_the_repair(
        self, state: State, definition: Definition, found: list[str], safe: int
    ) -> None:
        """A fix is the command for what `harden_table` would send, and botocore accepts it."""
        for problem in judge(definition, state):
            assert ("aws dynamodb" in problem.finding.fix) is (problem.repair is not None)
            if problem.repair is not None:
                validate(problem.repair.operation, problem.repair.parameters)
                sent = problem.repair.operation, problem.repair.parameters
                assert request_of(problem.finding.fix) == sent

    def test_index_gets_the_throughput_of_a_table_that_has_one(self) -> None:
        """DynamoDB refuses an index without one there."""
        throughput = {"ReadCapacityUnits": 7, "WriteCapacityUnits": 9}
        state = described(
            without_index(good(), "review-index"),
            BillingModeSummary={"BillingMode": "PROVISIONED"},
            ProvisionedThroughput=throughput,
        )
        (problem,) = judge(DEFINITION, state)
        assert problem.repair is not None
        (change,) = problem.repair.parameters["GlobalSecondaryIndexUpdates"]
        assert change["Create"]["ProvisionedThroughput"] == throughput

    def test_name_that_looks_like_an_option_is_not_read_as_one(self) -> None:
        """The names of tables may begin with a dash."""
        definition = DEFINITION._replace(name="-glass")
        (problem,) = judge(definition, good(definition)._replace(recovery="DISABLED"))
        assert " --table-name=-glass --point" in problem.finding.fix

    def test_region_is_left_out_if_it_is_not_known(self) -> None:
        """The command then uses the region of whoever runs it."""
        (problem,) = judge(DEFINITION, good()._replace(recovery="DISABLED", region=None))
        assert problem.finding.fix.startswith(
            "aws dynamodb update-continuous-backups --table-name"
        )

    def test_page_explains_each_kind(self) -> None:
        """The page for deployments has each kind of finding, and no others."""
        documented = {
            kind
            for kinds, *_ in Page(ROOT / "docs" / "deploy.md").rows("What it finds")
            for kind in re.findall("`([^`]+)`", kinds)
        }
        found = {
            problem.finding.kind
            for state, definition, *_ in (case.values for case in CASES)
            for problem in judge(definition, state)
        }
        assert found == documented


class TestWhoseTableItIs:
    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            (good(), True),
            (without_index(good(), "review-index"), True),
            (described(good(), GlobalSecondaryIndexes=[]), False),
            (described(good(), KeySchema=key_schema("id")), False),
            (
                described(
                    good(),
                    GlobalSecondaryIndexes=[
                        {"IndexName": "status-index", "KeySchema": key_schema("status")}
                    ],
                ),
                False,
            ),
            (typed(good(), "pk", "B"), False),
            (typed(good(), "created_at", "N"), False),
            (typed(good(), "status", "N"), True),
            (described(good(), AttributeDefinitions=[]), True),
        ],
        ids=[
            "ours",
            "without an index",
            "without any index",
            "another key",
            "another index",
            "a key of another type",
            "indexes of another type",
            "an index of another type",
            "an emulator that forgets types",
        ],
    )
    def test_table_is_ours_by_its_key_and_an_index(self, state: State, expected: bool) -> None:
        """Many tables have a key `pk`, so that alone says nothing."""
        assert is_ours(DEFINITION, state.description) is expected
