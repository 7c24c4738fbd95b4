"""Write CloudWatch alarms for the table as a CloudFormation template; pure.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from aiobreakglass._dynamodb.layout import TableLayout, check_layout, check_table_name

_OPERATIONS: Final = ("GetItem", "BatchGetItem", "Query", "TransactWriteItems", "Scan")
"""What the library sends at run time."""

_PARAMETERS: Final = {
    "TopicArn": {
        "Type": "String",
        "Default": "",
        "Description": "The SNS topic to notify; empty: alarms notify nobody",
    },
    "UnitsPerSecond": {
        "Type": "Number",
        "Default": 40000,
        "MinValue": 1,
        "Description": "How many units a second the table and each index may take",
    },
    "ReplicaRegion": {
        "Type": "String",
        "Default": "",
        "Description": "Another region of a global table; empty: there is none",
    },
    "KeptForEver": {
        "Type": "String",
        "Default": "no",
        "AllowedValues": ["no", "yes"],
        "Description": "Whether no row may be deleted by TTL: no retention, and no limits",
    },
}

_CONDITIONS: Final = {
    "Notifies": {"Fn::Not": [{"Fn::Equals": [{"Ref": "TopicArn"}, ""]}]},
    "IsReplicated": {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReplicaRegion"}, ""]}]},
    "IsKeptForEver": {"Fn::Equals": [{"Ref": "KeptForEver"}, "yes"]},
}


class _Series(NamedTuple):
    """One metric with its dimensions; CloudWatch sums up no dimension that is left out."""

    metric: str
    dimensions: dict[str, Any]
    statistic: str = "Sum"


class _Alarm(NamedTuple):
    name: str
    text: str
    series: Sequence[_Series]
    threshold: float
    """The alarm goes off above it."""
    period: int = 300
    """In seconds."""
    periods: int = 1
    """How many periods in a row."""
    expression: str | None = None
    """How several series become one; the series are m0, m1, ..."""
    condition: str | None = None


def alarms_template(table_name: str, *, layout: TableLayout | None = None) -> str:
    """Return a CloudFormation template, in JSON, with alarms for a table, however it was made.

    The parameters of the stack say whom to notify (`TopicArn`), what the table may take
    (`UnitsPerSecond`), whether it has a copy in another region (`ReplicaRegion`), and whether TTL
    should never delete anything (`KeptForEver`). A metric that is absent counts as good, because
    DynamoDB sends most of them only while they are not zero.

    Args:
        table_name: The name of the table.
        layout: The names that the table uses; None means the default names.
    """
    check_table_name(table_name)
    layout = TableLayout() if layout is None else check_layout(layout)
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Alarms for the table of break-glass events {table_name}",
        "Parameters": _PARAMETERS,
        "Conditions": _CONDITIONS,
        "Resources": {
            alarm.name: _resource(alarm, table_name) for alarm in _alarms(table_name, layout)
        },
    }
    return json.dumps(template, indent=2) + "\n"


def _alarms(table: str, layout: TableLayout) -> Iterable[_Alarm]:
    whole = {"TableName": table}
    places = [whole, *({**whole, "GlobalSecondaryIndexName": name} for name in layout.indexes)]

    def by_operation(metric: str) -> list[_Series]:
        return [_Series(metric, {**whole, "Operation": name}) for name in _OPERATIONS]

    def by_place(metric: str) -> list[_Series]:
        return [_Series(metric, place) for place in places]

    yield _Alarm(
        "SystemErrors",
        "DynamoDB answers with 5xx; outcomes of writes may be unknown",
        by_operation("SystemErrors"),
        threshold=4,
        expression=_sum(len(_OPERATIONS)),
    )
    yield _Alarm(
        "ThrottledRequests",
        "DynamoDB throttles requests, and has for a while; calls may fail",
        by_operation("ThrottledRequests"),
        threshold=0,
        periods=2,
        expression=_sum(len(_OPERATIONS)),
    )
    for kind in ("Read", "Write"):
        yield _Alarm(
            f"{kind}ThrottleEvents",
            f"{kind}s of the table or of an index are throttled, and have been for a while",
            by_place(f"{kind}ThrottleEvents"),
            threshold=0,
            periods=2,
            expression=_sum(len(places)),
        )
    yield _Alarm(
        "TransactionConflict",
        "Many writers meet on the same rows: is this an emergency?",
        [_Series("TransactionConflict", whole)],
        threshold=50,
        periods=3,
    )
    yield _Alarm(
        "UserErrors",
        "DynamoDB refuses many requests of the account in this region: denied access, or races",
        [_Series("UserErrors", {})],
        threshold=50,
        periods=3,
    )
    yield _Alarm(
        "CheckLatency",
        "One in a hundred reads of a row takes DynamoDB more than 100 ms",
        [_Series("SuccessfulRequestLatency", {**whole, "Operation": "GetItem"}, "p99")],
        threshold=100,
        periods=3,
    )
    for kind in ("Read", "Write"):
        yield _Alarm(
            f"{kind}Capacity",
            f"{kind}s take more than 80 % of the units that the table or an index may take",
            by_place(f"Consumed{kind}CapacityUnits"),
            threshold=80,
            period=60,
            periods=5,
            expression=f"100*MAX([{_filled(len(places))}])/60/${{UnitsPerSecond}}",
        )
    yield _Alarm(
        "TimeToLiveDeletedItemCount",
        "TTL deletes rows that should be kept for ever",
        [_Series("TimeToLiveDeletedItemCount", whole)],
        threshold=0,
        condition="IsKeptForEver",
    )
    yield _Alarm(
        "ReplicationLatency",
        "The copy in the other region lags more than a minute behind",
        [
            _Series(
                "ReplicationLatency",
                {**whole, "ReceivingRegion": {"Ref": "ReplicaRegion"}},
                "Average",
            )
        ],
        threshold=60_000,
        periods=3,
        condition="IsReplicated",
    )


def _sum(number: int) -> str:
    return f"SUM([{_filled(number)}])"


def _filled(number: int) -> str:
    # A series has no values while its metric is zero.
    return ", ".join(f"FILL(m{position}, 0)" for position in range(number))


def _resource(alarm: _Alarm, table: str) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "AlarmName": f"{table}-{alarm.name}"[-255:],
        "AlarmDescription": alarm.text,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": alarm.threshold,
        "EvaluationPeriods": alarm.periods,
        "TreatMissingData": "notBreaching",
    }
    if alarm.expression is None:
        (series,) = alarm.series
        properties |= _metric(series)
        properties["Period"] = alarm.period
        if series.statistic.isalpha():
            properties["Statistic"] = series.statistic
        else:
            # A percentile of a few requests says nothing.
            properties |= {
                "ExtendedStatistic": series.statistic,
                "EvaluateLowSampleCountPercentile": "ignore",
            }
    else:
        properties["Metrics"] = [
            {"Id": "result", "Expression": _substituted(alarm.expression), "ReturnData": True},
            *(
                {
                    "Id": f"m{position}",
                    "MetricStat": {
                        "Metric": _metric(series),
                        "Period": alarm.period,
                        "Stat": series.statistic,
                    },
                    "ReturnData": False,
                }
                for position, series in enumerate(alarm.series)
            ),
        ]
    for actions in ("AlarmActions", "OKActions"):
        nobody = {"Ref": "AWS::NoValue"}
        properties[actions] = {"Fn::If": ["Notifies", [{"Ref": "TopicArn"}], nobody]}
    resource = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    return resource if alarm.condition is None else {"Condition": alarm.condition} | resource


def _metric(series: _Series) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in series.dimensions.items()]
    metric = {"Namespace": "AWS/DynamoDB", "MetricName": series.metric}
    return metric | ({"Dimensions": dimensions} if dimensions else {})


def _substituted(expression: str) -> Any:
    return {"Fn::Sub": expression} if "${" in expression else expression
