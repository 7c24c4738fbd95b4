"""Judge the state of a table by its definition; all pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aiobreakglass._domain.finding import Finding, Severity
from aiobreakglass._table.definition import Definition
from aiobreakglass._table.problem import Problem, Repair, State
from aiobreakglass._table.structure import structure_problems

_UNKNOWN: Final = "not known to this endpoint"
_EMULATOR: Final = "nothing on an emulator; DynamoDB has it"

WORKING: Final = ("ACTIVE", "UPDATING")
"""The states in which a table can be used."""


def judge(definition: Definition, state: State) -> list[Problem]:
    """Return everything about a table that is not as its definition says."""
    return [
        *_status(definition, state),
        *structure_problems(definition, state),
        *_deletion_protection(definition, state),
        *_recovery(definition, state),
        *_time_to_live(definition, state),
        *_encryption(definition, state),
        *_stream(definition, state),
        *_replicas(definition, state),
    ]


def deletion_protection_repair(definition: Definition) -> Repair:
    """Return the repair that turns deletion protection on."""
    request = {"TableName": definition.name, "DeletionProtectionEnabled": True}
    return Repair("UpdateTable", request, is_safe=True)


def recovery_repair(definition: Definition) -> Repair:
    """Return the repair that turns point-in-time recovery on."""
    request = {
        "TableName": definition.name,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    return Repair("UpdateContinuousBackups", request, is_safe=True)


def time_to_live_repair(definition: Definition) -> Repair:
    """Return the repair that turns TTL on, from when on DynamoDB deletes rows."""
    request = {
        "TableName": definition.name,
        "TimeToLiveSpecification": definition.time_to_live,
    }
    return Repair("UpdateTimeToLive", request, is_safe=False)


def _status(definition: Definition, state: State) -> Iterator[Problem]:
    status = state.description["TableStatus"]
    if status not in WORKING:
        severity: Severity = "info" if status == "CREATING" else "error"
        fix = (
            "wait until it is made"
            if status == "CREATING"
            else "wait until it is gone"
            if status == "DELETING"
            else "see to its KMS key, or to what DynamoDB's console says"
        )
        yield _problem(definition, state, severity, "status", status, "ACTIVE", fix)


def _deletion_protection(definition: Definition, state: State) -> Iterator[Problem]:
    is_on = state.description.get("DeletionProtectionEnabled")
    if is_on or not definition.deletion_protection:
        return
    fix: Repair | str = _EMULATOR if is_on is None else deletion_protection_repair(definition)
    found = _UNKNOWN if is_on is None else "off"
    yield _problem(definition, state, "warning", "deletion protection", found, "on", fix)


def _recovery(definition: Definition, state: State) -> Iterator[Problem]:
    if state.recovery == "ENABLED" or not definition.point_in_time_recovery:
        return
    fix: Repair | str = _EMULATOR if state.recovery is None else recovery_repair(definition)
    found = _UNKNOWN if state.recovery is None else "off"
    yield _problem(definition, state, "warning", "point-in-time recovery", found, "on", fix)


def _time_to_live(definition: Definition, state: State) -> Iterator[Problem]:
    status = state.time_to_live["TimeToLiveStatus"]
    attribute = state.time_to_live.get("AttributeName")
    ours = definition.layout.ttl_attribute
    kind, expected = "time to live", f"on, by the attribute {ours}"
    if status == "DISABLING":
        wait = "wait until it is off, which takes up to an hour, and verify the table again"
        yield _problem(definition, state, "warning", kind, "being turned off", expected, wait)
    elif status not in ("ENABLED", "ENABLING"):
        found = "off"
        fix = time_to_live_repair(definition)
        note = "DynamoDB then deletes the rows whose retention has ended"
        yield _problem(definition, state, "warning", kind, found, expected, fix, note)
    elif attribute != ours:
        found = f"on, by the attribute {attribute}"
        request = {
            "TableName": definition.name,
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": False},
        }
        fix = Repair("UpdateTimeToLive", request, is_safe=False)
        note = f"rows are deleted at the wrong time; turn it off, and an hour later on by {ours}"
        yield _problem(definition, state, "error", kind, found, expected, fix, note)


def _encryption(definition: Definition, state: State) -> Iterator[Problem]:
    found = state.description.get("SSEDescription", {})
    if "InaccessibleEncryptionDateTime" in found:
        fix = "let DynamoDB use the key again; after seven days it archives the table"
        yield _problem(
            definition,
            state,
            "error",
            "encryption key",
            "a KMS key that DynamoDB cannot use",
            "a key that it can use",
            fix,
        )
    key = found.get("KMSMasterKeyArn")
    if definition.kms_key not in (None, key):
        request = {"TableName": definition.name, "SSESpecification": definition.encryption}
        fix_key = Repair("UpdateTable", request, is_safe=False)
        shown = "a key of DynamoDB's own" if key is None else f"the key {key}"
        expected = f"the key {definition.kms_key}"
        note = "first let everybody who uses the table use the key"
        yield _problem(definition, state, "warning", "encryption", shown, expected, fix_key, note)


def _stream(definition: Definition, state: State) -> Iterator[Problem]:
    specification = state.description.get("StreamSpecification", {})
    view = specification.get("StreamViewType") if specification.get("StreamEnabled") else None
    if view == definition.stream:
        return
    found = "off" if view is None else f"on, with {view}"
    off = {"TableName": definition.name, "StreamSpecification": {"StreamEnabled": False}}
    if definition.stream is None:
        # A global table replicates by its stream.
        if not state.description.get("Replicas"):
            fix = Repair("UpdateTable", off, is_safe=False)
            note = "whoever may read the stream reads the rows; if nobody needs it, turn it off"
            yield _problem(definition, state, "info", "stream", found, "off", fix, note)
        return
    expected = f"on, with {definition.stream}"
    if view is None:
        request = {"TableName": definition.name, "StreamSpecification": definition.streaming}
        fix = Repair("UpdateTable", request, is_safe=True)
        yield _problem(definition, state, "warning", "stream", found, expected, fix)
    elif state.description.get("Replicas"):
        wish = f"ask for {view}, because a global table replicates by its stream"
        yield _problem(definition, state, "warning", "stream", found, expected, wish)
    else:
        fix = Repair("UpdateTable", off, is_safe=False)
        note = "turn it off, which ends it for its readers, then call harden_table"
        yield _problem(definition, state, "warning", "stream", found, expected, fix, note)


def _replicas(definition: Definition, state: State) -> Iterator[Problem]:
    if state.description.get("MultiRegionConsistency") == "STRONG":
        fix = "make another table with create_table: DynamoDB refuses transactions in this one"
        yield _problem(
            definition, state, "error", "replicas", "strong consistency", "eventual", fix
        )
    elif replicas := state.description.get("Replicas"):
        regions = ", ".join(sorted(replica["RegionName"] for replica in replicas))
        fix = "let only one region write: transactions do not hold across regions"
        yield _problem(
            definition, state, "info", "replicas", regions, "one region that writes", fix
        )


def _problem(
    definition: Definition,
    state: State,
    severity: Severity,
    kind: str,
    found: str,
    expected: str,
    fix: Repair | str,
    note: str = "",
) -> Problem:
    subject = f"table {definition.name}"
    if isinstance(fix, str):
        return Problem(Finding(severity, kind, subject, found, expected, fix))
    command = fix.command(state.region)
    text = f"{note}: {command}" if note else command
    return Problem(Finding(severity, kind, subject, found, expected, text), fix)
