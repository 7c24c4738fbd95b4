"""Define the names in a table: its keys, its indexes and its attributes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import permutations
from typing import Final, NamedTuple

from aiobreakglass._contract.arguments import AWAITING_REVIEW
from aiobreakglass._domain.event import BreakGlassEvent
from aiobreakglass._domain.slots import Slot, SlotKind

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
TABLE_ARN = re.compile(
    r"arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[a-zA-Z0-9_.-]{3,255}", re.ASCII
)

_TEXT = re.compile("[!-~]{1,255}")

_INDEXES: Final = ("invoker_index", "status_index", "profile_index", "review_index")

_OTHER_ATTRIBUTES: Final = (
    AWAITING_REVIEW,
    "used_at",
    "event_id",
    "deleted_at",
    "revision",
    "head",
    "digest",
    "recorded_at",
    "history_ttl",
    "entry",
    "hash",
)
"""What rows have besides the fields of events and the attributes that a layout names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """The names that a table uses, if they are not the default ones.

    The attributes of event rows have the model's field names; a layout sets all other names. Every
    process that shares a table must use the same layout, because the guard's key depends on it.

    Raises:
        TypeError: A name is not a text.
        ValueError: A name is not one that DynamoDB accepts, or two names that must differ do not.
    """

    partition_key: str = "pk"
    event_prefix: str = "BREAKGLASS#"
    """The beginning of the partition keys of events and tombstones."""
    guard_prefix: str = "ACTIVE#"
    """The beginning of the partition keys of guards."""
    history_prefix: str = "HISTORY#"
    """The beginning of the partition keys of history entries."""
    slot_prefix: str = "SLOT#"
    """The beginning of the partition keys of slots, which limits are counted by."""
    invoker_index: str = "invoker-index"
    status_index: str = "status-index"
    profile_index: str = "profile-index"
    review_index: str = "review-index"
    """The index of the events that wait for a review; it has no others."""
    ttl_attribute: str = "ttl"
    write_id_attribute: str = "write_id"

    def __post_init__(self) -> None:
        for field in _INDEXES:
            _check(field, getattr(self, field), _TABLE_NAME, "3 to 255 of a-z A-Z 0-9 _ . -")
        attributes = ("partition_key", "ttl_attribute", "write_id_attribute")
        prefixes = ("event_prefix", "guard_prefix", "history_prefix", "slot_prefix")
        for field in (*attributes, *prefixes):
            _check(field, getattr(self, field), _TEXT, "1 to 255 visible ASCII characters")
        taken = [getattr(self, field) for field in attributes]
        taken += [*BreakGlassEvent.model_fields, *_OTHER_ATTRIBUTES]
        if len(set(taken)) != len(taken):
            raise ValueError(
                f"{', '.join(attributes)} must differ, also from the attributes of a row"
            )
        if len(self.indexes) != len(_INDEXES):
            raise ValueError(f"{', '.join(_INDEXES)} must differ")
        # Otherwise the key of an event could be the key of a guard, of an entry or of a slot.
        for one, other in permutations(prefixes, 2):
            if getattr(self, one).startswith(getattr(self, other)):
                raise ValueError(f"{one} must not begin with {other}")

    @property
    def indexes(self) -> dict[str, str]:
        """The field that each index lists by."""
        return {
            self.invoker_index: "invoker",
            self.status_index: "status",
            self.profile_index: "profile",
            self.review_index: AWAITING_REVIEW,
        }

    def index_of(self, field: str) -> str:
        """Return the name of the index over a field."""
        return next(index for index, indexed in self.indexes.items() if indexed == field)

    def placeholder(self, attribute: str) -> str:
        """Return what stands for an attribute in expressions, after its `#` or `:`.

        A layout's attributes can have any name, and DynamoDB takes only letters, digits and
        underscores in a placeholder.
        """
        if attribute == self.partition_key:
            return "pk"
        if attribute == self.ttl_attribute:
            return "ttl"
        if attribute == self.write_id_attribute:
            return "write_id"
        return attribute

    def event_key(self, event_id: str) -> str:
        """Return the partition key of an event or of its tombstone."""
        return self.event_prefix + event_id

    def history_key(self, event_id: str, revision: int) -> str:
        """Return the partition key of an entry in the history of an event."""
        return f"{self.history_prefix}{event_id}#{revision:06d}"

    def slot_key(self, slot: Slot) -> str:
        """Return the partition key of a slot.

        A length makes the key of a pair unambiguous if a name contains `#`.
        """
        kind, invoker, profile, number = slot
        match kind:
            case SlotKind.PROFILE:
                rest = f"{profile}#{number:02d}"
            case SlotKind.INVOKER | SlotKind.UNREVIEWED:
                rest = f"{invoker}#{number:02d}"
            case SlotKind.PAIR:
                rest = f"{len(invoker.encode())}#{invoker}#{profile}"
        return f"{self.slot_prefix}{kind}#{rest}"

    def guard_key(self, invoker: str, profile: str) -> str:
        """Return the partition key of a pair's guard.

        The length makes the key unambiguous if a name contains `#`.
        """
        return f"{self.guard_prefix}{len(invoker.encode())}#{invoker}#{profile}"


class Table(NamedTuple):
    """A table's name and layout, from which every request is made."""

    name: str
    layout: TableLayout


def check_table_name(name: str, *, or_arn: bool = False) -> str:
    """Return a table's name, or its ARN if that is allowed; raise with the rule that it breaks."""
    if not isinstance(name, str):
        raise TypeError(f"table_name must be a str, not {type(name).__name__}")
    if not _TABLE_NAME.fullmatch(name) and not (or_arn and TABLE_ARN.fullmatch(name)):
        expected = "3 to 255 of a-z A-Z 0-9 _ . -" + (", or the ARN of a table" if or_arn else "")
        raise ValueError(f"table_name must be {expected}")
    return name


def check_layout(layout: TableLayout) -> TableLayout:
    """Return the layout, or raise `TypeError` if it is not a `TableLayout`."""
    if not isinstance(layout, TableLayout):
        raise TypeError(f"layout must be a TableLayout, not {type(layout).__name__}")
    return layout


def _check(field: str, value: str, pattern: re.Pattern[str], rule: str) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{field} must be a str, not {type(value).__name__}")
    if not pattern.fullmatch(value):
        raise ValueError(f"{field} must be {rule}")
