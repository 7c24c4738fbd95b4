"""Alarms for the metrics that the page for operators names."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aiobreakglass import TableLayout, alarms_template
from tests.documents.pages import OPERATIONS, ROOT, Page

from .linter import complaints

DEPLOY = Page(ROOT / "docs" / "deploy.md")

OPERATIONS_SENT = {"GetItem", "BatchGetItem", "Query", "TransactWriteItems", "Scan"}

DIMENSIONS: dict[str, set[str]] = {
    "SystemErrors": {"TableName", "Operation"},
    "ThrottledRequests": {"TableName", "Operation"},
    "ReadThrottleEvents": {"TableName"},
    "WriteThrottleEvents": {"TableName"},
    "TransactionConflict": {"TableName"},
    "UserErrors": set(),
    "SuccessfulRequestLatency": {"TableName", "Operation"},
    "ConsumedReadCapacityUnits": {"TableName"},
    "ConsumedWriteCapacityUnits": {"TableName"},
    "TimeToLiveDeletedItemCount": {"TableName"},
    "ReplicationLatency": {"TableName", "ReceivingRegion"},
}
"""The dimensions of each metric, as DynamoDB documents them; indexes have one more."""


def alarms(**arguments: Any) -> dict[str, dict[str, Any]]:
    resources = json.loads(alarms_template("break-glass", **arguments))["Resources"]
    return {name: resource["Properties"] for name, resource in resources.items()}


def metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics of an alarm, with their dimensions by name."""
    found = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ())[1:]] or [alarm]
    return [
        {
            "name": metric["MetricName"],
            "dimensions": {it["Name"]: it["Value"] for it in metric.get("Dimensions", ())},
        }
        for metric in found
    ]


def test_each_metric_of_the_page_has_an_alarm() -> None:
    """Only the conditions, which exist to refuse, have none."""
    cells = [cell for cell, *_ in OPERATIONS.rows("Alarms")]
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    used = {metric["name"] for alarm in alarms().values() for metric in metrics(alarm)}
    assert documented - used == {"ConditionalCheckFailedRequests"}
    assert used <= documented


def test_page_has_each_alarm() -> None:
    """The page says when each goes off."""
    cells = [cell for cell, *_ in DEPLOY.rows("Set the alarms")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == alarms().keys()


def test_each_metric_has_the_dimensions_that_it_is_sent_with() -> None:
    """CloudWatch does not sum up a dimension that is left out: such an alarm never goes off."""
    for alarm in alarms().values():
        for metric in metrics(alarm):
            names = set(metric["dimensions"]) - {"GlobalSecondaryIndexName"}
            assert names == DIMENSIONS[metric["name"]], metric


def test_each_index_and_each_operation_is_watched() -> None:
    """An index that is throttled throttles the table."""
    found = alarms(layout=TableLayout(status_index="by-status"))
    indexes = {
        metric["dimensions"].get("GlobalSecondaryIndexName")
        for metric in metrics(found["WriteThrottleEvents"])
    }
    assert indexes == {None, "invoker-index", "by-status", "profile-index", "review-index"}
    operations = {metric["dimensions"]["Operation"] for metric in metrics(found["SystemErrors"])}
    assert operations == OPERATIONS_SENT


def test_expression_uses_each_of_its_metrics() -> None:
    """What an expression leaves out is not watched."""
    for alarm in alarms().values():
        if "Metrics" not in alarm:
            continue
        result, *others = alarm["Metrics"]
        assert result["ReturnData"]
        expression = json.dumps(result["Expression"])
        assert set(re.findall(r"\bm\d+\b", expression)) == {other["Id"] for other in others}


def test_absent_metrics_are_good_and_each_alarm_says_what_it_means() -> None:
    """DynamoDB sends most metrics only while they are not zero."""
    for name, alarm in alarms().items():
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmName"] == f"break-glass-{name}"
        assert len(alarm["AlarmDescription"]) > 20


def test_name_of_an_alarm_fits_into_its_limit() -> None:
    """The name of a table may be as long as that of an alarm."""
    template = json.loads(alarms_template("t" * 255))
    names = [resource["Properties"]["AlarmName"] for resource in template["Resources"].values()]
    assert {len(name) for name in names} == {255}
    assert len(set(names)) == len(names)


def test_alarms_pass_the_linter() -> None:
    """There is no error and no warning."""
    assert complaints(alarms_template("break-glass")) == []


def test_wrong_argument_is_refused() -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=r"^table_name must be 3 to 255"):
        alarms_template("no/table")
    with pytest.raises(TypeError, match=r"^layout must be a TableLayout"):
        alarms_template("break-glass", layout={})  # type: ignore[arg-type] # what is tested
