"""The protocol of contract customers: what is read, and what counts as meeting a bar."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.contracts import SOURCES, customers, means, meets


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "n", "left"),
    [
        ("telco", 7_043, 1_869),
        ("mlc_churn", 5_000, 707),
        ("bankchurners", 10_127, 1_627),
        ("iranian_churn", 2_850, 446),
    ],
)
def test_each_data_set_has_its_customers_and_no_label_among_the_columns(
    echelon_data, dataset, n, left
):
    of = customers(echelon_data, dataset)
    assert (len(of.data), int(of.data.y.sum())) == (n, left)
    assert SOURCES[dataset].label not in {feature.concept for feature in of.features}
    assert len(of.names) == len(set(of.names))


def test_a_figure_meets_a_bar_as_it_is_printed():
    assert meets("telco", "auc", 0.8496)
    assert not meets("telco", "auc", 0.8494)
    assert meets("telco", "logloss", 0.4114)
    assert not meets("telco", "logloss", 0.4116)
    assert meets("telco", "empc", 10.406)


def test_means_are_over_the_folds():
    assert means({"ours": {"auc": np.array([0.8, 0.9])}}) == {"ours": {"auc": pytest.approx(0.85)}}
