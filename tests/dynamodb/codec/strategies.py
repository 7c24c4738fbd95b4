"""Arbitrary attributes and rows, for hypothesis."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from aiobreakglass import BreakGlassEvent

from .example import MISSING, ROW, changed

NUMBERS = st.one_of(
    st.decimals().map(str),
    st.integers().map(str),
    st.sampled_from(
        ["", "NaN", "sNaN", "-Infinity", "1E-999999999999999999", "1E+125", "1_0", "\uff11"]
    ),
    st.text(max_size=5),
)
TEXTS = st.one_of(
    st.text(st.characters(categories=None), max_size=30),
    st.text(string.hexdigits, min_size=16, max_size=16),
    st.datetimes().map(lambda instant: f"{instant.isoformat()}Z"),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]{1,9})?[Zz+-][0-9:]{0,5}\Z"),
    st.sampled_from(["active", "closed", "expired", "incident", "The database does not answer"]),
)
ATTRIBUTES = st.recursive(
    st.one_of(
        TEXTS.map(lambda text: {"S": text}),
        NUMBERS.map(lambda number: {"N": number}),
        st.binary(max_size=5).map(lambda data: {"B": data}),
        st.booleans().map(lambda flag: {"BOOL": flag}),
        st.booleans().map(lambda flag: {"NULL": flag}),
        st.lists(TEXTS, min_size=1, max_size=2).map(lambda texts: {"SS": texts}),
        st.lists(NUMBERS, min_size=1, max_size=2).map(lambda numbers: {"NS": numbers}),
        st.lists(st.binary(max_size=5), min_size=1, max_size=2).map(lambda data: {"BS": data}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda attributes: {"L": attributes}),
        st.dictionaries(st.text(max_size=3), inner, max_size=2).map(
            lambda members: {"M": members}
        ),
    ),
    max_leaves=3,
)
FIELDS = [*ROW, *BreakGlassEvent.model_fields]
ARBITRARY_ROWS = st.one_of(
    st.dictionaries(st.sampled_from(FIELDS), st.just(MISSING) | ATTRIBUTES, max_size=3).map(
        changed
    ),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), ATTRIBUTES),
)
