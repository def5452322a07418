"""The categories that records speak in."""

from __future__ import annotations

import pyarrow as pa
import pytest

from features.mix import MOST_CATEGORIES, record_mixes, snapshot_mixes
from tests.engines import records_of, table


def test_a_mix_is_of_the_rows_of_the_year_that_were_known_by_the_day():
    interactions = table("""
        customer_id | occurred_at | recorded_at | kind  | channel
        ada         | 2022-01-01  |             | visit | fax
        ada         | 2024-03-01  |             | visit | app
        bob         | 2024-03-02  |             | visit | app
        bob         | 2024-03-03  |             | visit | web
        bob         | 2024-03-04  | 2024-06-01  | share | web
    """)
    mixes = record_mixes(records_of({"interactions": interactions}), 19_813)
    assert mixes["interactions.channel"] == pytest.approx({"app": 2 / 3, "web": 1 / 3})
    assert mixes["interactions.kind"] == {"visit": 1.0}
    assert "satisfaction.instrument" not in mixes


def test_a_column_of_names_is_no_list_of_categories():
    names = pa.table({"plan": ["a", "a", "b", None], "name": ["w", "x", "y", "z"]})
    assert snapshot_mixes(names, ["plan"]) == {"plan": {"a": 2 / 3, "b": 1 / 3}}
    many = pa.table({"name": [str(i) for i in range(MOST_CATEGORIES + 1)]})
    assert snapshot_mixes(many, ["name"]) == {}
