"""Commands of the AWS command line, read as the requests that they send."""

from __future__ import annotations

import json
import shlex
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.model import ServiceModel
from botocore.session import get_session
from botocore.validate import validate_parameters


@cache
def dynamodb() -> ServiceModel:
    """Return botocore's model of DynamoDB."""
    return get_session().get_service_model("dynamodb")


def request_of(fix: str) -> tuple[str, dict[str, Any]]:
    """Return the operation and the parameters of the command in a fix."""
    words = shlex.split(fix[fix.index("aws dynamodb ") :])
    operations = {xform_name(name, "-"): name for name in dynamodb().operation_names}
    operation = operations[words[2]]
    shape = dynamodb().operation_model(operation).input_shape
    assert shape is not None
    members = {f"--{xform_name(name, '-')}": name for name in shape.members}
    parameters: dict[str, Any] = {}
    rest = iter(words[3:])
    for option in rest:
        if option == "--region":
            next(rest)
            continue
        kind = shape.members[members[option]].type_name
        value: Any = True if kind == "boolean" else next(rest)
        is_json = kind in ("structure", "list")
        parameters[members[option]] = json.loads(value) if is_json else value
    return operation, parameters


def validate(operation: str, parameters: dict[str, Any]) -> None:
    """Raise if botocore would not send this request."""
    shape = dynamodb().operation_model(operation).input_shape
    assert shape is not None
    validate_parameters(parameters, shape)
