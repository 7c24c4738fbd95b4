"""Alarms for the metrics that the page for operators names."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aiobreakglass import TableLayout, alarms_template, iam_policy
from tests.documents.pages import OPERATIONS, ROOT, Page

from .linter import complaints

DEPLOY = Page(ROOT / "docs" / "deploy.md")

GOES_OFF = {
    "at 5 in 5 minutes": (4, 300, 1),
    "at any, in two periods of 5 minutes in a row": (0, 300, 2),
    "at more than 50 in each of three periods of 5 minutes": (50, 300, 3),
    "if the 99th percentile of `GetItem` is over 100 ms for a quarter of an hour": (100, 300, 3),
    "if the table or an index takes more than 80 % of `UnitsPerSecond` for 5 minutes": (80, 60, 5),
    "at any row, with `KeptForEver=yes`": (0, 300, 1),
    "if `ReplicaRegion` lags more than a minute for a quarter of an hour": (60_000, 300, 3),
}
"""The page's words: above which value, over how many seconds, and in how many periods."""

STATISTICS = {"SuccessfulRequestLatency": "p99", "ReplicationLatency": "Average"}
"""All other metrics are counts, which are summed up."""

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
    found: list[dict[str, Any]] = [
        it["MetricStat"]["Metric"] | it["MetricStat"] for it in alarm.get("Metrics", ())[1:]
    ]
    return [
        {
            "name": metric["MetricName"],
            "period": metric["Period"],
            "statistic": metric.get("Stat")
            or metric.get("ExtendedStatistic")
            or metric["Statistic"],
            "dimensions": {it["Name"]: it["Value"] for it in metric.get("Dimensions", ())},
        }
        for metric in found or [alarm]
    ]


def sent() -> set[str]:
    """Return what an operator sends, by the policy that tests compare with the requests."""
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/break-glass"
    statements = json.loads(iam_policy("operates", arn))["Statement"]
    names = {
        action.removeprefix("dynamodb:")
        for statement in statements
        if "Condition" not in statement
        for action in statement["Action"]
    }
    return {name for name in names if not name.startswith("Describe")} | {"TransactWriteItems"}


def test_each_metric_of_the_page_has_an_alarm() -> None:
    """Only the conditions, which exist to refuse, have none."""
    cells = [cell for cell, *_ in OPERATIONS.rows("Alarms")]
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    used = {metric["name"] for alarm in alarms().values() for metric in metrics(alarm)}
    assert documented - used == {"ConditionalCheckFailedRequests"}
    assert used <= documented


def test_page_says_when_each_alarm_goes_off() -> None:
    """An alarm that is missing there, or that goes off at another value, surprises somebody."""
    documented = {
        name: GOES_OFF[text.partition(".")[0]]
        for cell, text in DEPLOY.rows("Set the alarms")
        for name in re.findall(r"`(\w+)`", cell)
    }
    for name, alarm in alarms().items():
        (period,) = {metric["period"] for metric in metrics(alarm)}
        assert documented.pop(name) == (alarm["Threshold"], period, alarm["EvaluationPeriods"])
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert documented == {}


def test_each_metric_is_summed_up_as_it_must_be() -> None:
    """The sum of latencies says nothing, and neither does the average of counts."""
    for alarm in alarms().values():
        for metric in metrics(alarm):
            assert metric["statistic"] == STATISTICS.get(metric["name"], "Sum")
    assert alarms()["CheckLatency"]["EvaluateLowSampleCountPercentile"] == "ignore"


def test_alarms_that_are_not_for_every_table_wait_for_a_parameter() -> None:
    """Their metrics are no sign of a fault elsewhere, and without a topic nobody is told."""
    template = json.loads(alarms_template("break-glass"))
    defaults = {name: it["Default"] for name, it in template["Parameters"].items()}
    assert defaults == {
        "TopicArn": "",
        "UnitsPerSecond": 40_000,
        "ReplicaRegion": "",
        "KeptForEver": "no",
    }
    assert f"(an SNS topic), `UnitsPerSecond` ({defaults['UnitsPerSecond']:,} " in DEPLOY.text
    conditional = {
        name: resource["Condition"]
        for name, resource in template["Resources"].items()
        if "Condition" in resource
    }
    assert conditional == {
        "TimeToLiveDeletedItemCount": "IsKeptForEver",
        "ReplicationLatency": "IsReplicated",
    }
    assert template["Conditions"] == {
        "IsKeptForEver": {"Fn::Equals": [{"Ref": "KeptForEver"}, "yes"]},
        "IsReplicated": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReplicaRegion"}, ""]}]},
        "Notifies": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TopicArn"}, ""]}]},
    }
    told = {"Fn::If": ["Notifies", [{"Ref": "TopicArn"}], {"Ref": "AWS::NoValue"}]}
    for alarm in alarms().values():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (told, told)


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
    assert operations == sent()


def test_expression_uses_each_of_its_metrics() -> None:
    """What an expression leaves out is not watched."""
    for name, alarm in alarms().items():
        if "Metrics" not in alarm:
            continue
        result, *others = alarm["Metrics"]
        assert [result["ReturnData"], *(other["ReturnData"] for other in others)] == [
            *(True, *(False for _ in others))
        ]
        filled = ", ".join(f"FILL({other['Id']}, 0)" for other in others)
        share = {"Fn::Sub": f"100*MAX([{filled}])/60/${{UnitsPerSecond}}"}
        assert result["Expression"] == (share if "Capacity" in name else f"SUM([{filled}])")


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


@pytest.mark.slow
def test_alarms_pass_the_linter() -> None:
    """There is no error and no warning."""
    assert complaints(alarms_template("break-glass")) == []


def test_wrong_argument_is_refused() -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=r"^table_name must be 3 to 255"):
        alarms_template("no/table")
    with pytest.raises(TypeError, match=r"^layout must be a TableLayout"):
        alarms_template("break-glass", layout={})  # type: ignore[arg-type] # what is tested
