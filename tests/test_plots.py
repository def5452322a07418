"""Pictures of a training: all are drawn, in both languages, and SHAP draws what is served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.small_bundle import matrix_of
from tests.small_fitted import small_fitted
from training import plots
from training.evaluate import Evaluation, TargetEvaluation
from training.fitted import column_values

pytestmark = pytest.mark.slow


def without_trees():
    fitted = small_fitted()
    plain = {target: replace(model, trees=None) for target, model in fitted.models.items()}
    return replace(fitted, models=plain)


def drawn(folder, fitted=None, language="zh"):
    return plots.draw(fitted or small_fitted(), folder, language)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_picture_is_drawn_and_opens(tmp_path, language):
    from matplotlib.image import imread

    paths = drawn(tmp_path, language=language)
    names = {path.stem for path in paths}
    assert {
        "churn_calibration", "churn_lift", "churn_shap_summary",
        "clv_calibration", "clv_lift", "clv_deciles", "clv_shap_summary",
    } <= names  # fmt: skip
    assert sum("shap_dependence" in name for name in names) == 8
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        pixels = imread(path)
        assert pixels.shape[0] > 400
        assert pixels.std() > 0.02


def test_what_shap_explains_is_what_the_trees_add_to_the_link():
    model = small_fitted().models["churn"]
    matrix = matrix_of(200, seed=4)
    columns = {name: column_values(matrix, name) for name in model.inputs}
    explanation = plots.tree_explanation(model, columns)
    X = np.column_stack([columns[name] for name in model.tree_inputs])
    raw = model.booster.predict(X, raw_score=True)
    np.testing.assert_allclose(
        explanation.values.sum(axis=1) + explanation.base_values, raw, atol=1e-9
    )


def test_served_contributions_of_the_trees_are_those_of_shap():
    """Tables give what is served; ``shap`` is the reference they are held against."""
    model = small_fitted().models["clv"]
    matrix = matrix_of(200, seed=5)
    columns = {name: column_values(matrix, name) for name in model.inputs}
    bought = ~np.isnan(columns["frequency"])
    explanation = plots.tree_explanation(model, columns)
    _, parts = model.contributions(columns)
    for place, name in enumerate(model.tree_inputs):
        of_shap = model.slope * explanation.values[:, place]
        np.testing.assert_allclose(parts[name][bought], of_shap[bought], atol=1e-9)


def test_rules_only_and_unmeasured_targets_have_no_pictures(tmp_path):
    unmeasured = Evaluation(
        targets={
            "churn": TargetEvaluation(target="churn", horizon_days=90, protocol="none"),
        }
    )
    assert drawn(tmp_path, replace(without_trees(), evaluation=unmeasured)) == []


def test_without_a_chinese_font_labels_are_english(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "chinese_font", lambda: None)
    assert len(drawn(tmp_path, without_trees())) == 5


def test_drawing_leaves_style_and_backend_as_they_were(tmp_path):
    import matplotlib as mpl

    mpl.use("svg")
    before = dict(mpl.rcParams)
    drawn(tmp_path, without_trees())
    assert mpl.get_backend() == "svg"
    assert {k: v for k, v in dict(mpl.rcParams).items() if v != before[k]} == {}
