"""The model answers as DynamoDB Local and moto do, except where the table of differences says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from aiobreakglass import TableLayout
from aiobreakglass.testing import FakeClock
from tests.simulation.dynamodb.comparison import (
    TABLE_NAME,
    Answer,
    Backend,
    Case,
    ask,
    backend,
    keys_of,
    spelt,
)
from tests.simulation.dynamodb.database import PROMPT, Database
from tests.simulation.dynamodb.differences import DIFFERENCES, Difference
from tests.simulation.dynamodb.ours import OurRequests
