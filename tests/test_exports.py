"""What is written for other tools reads back as it is: by scipy, and by the rules of PMML."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from scipy.io import arff

from serving.pages.tier_rules import write_rules
from serving.scores.export import export, rows_of, surrogate_of
from serving.scores.population import column
from serving.scores.publication import Publication, open_live
from serving.scores.publish import publish_matrix
from tests.small_bundle import FEATURES, job_in, matrix_of, small_bundle
from training.exports import PMML, arff_lines, pmml_of_segments, pmml_of_tree
from training.surrogate import Node, SurrogateTree, fit_surrogate

NS = {"p": PMML}


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Publication:
    job = job_in(Path(tmp_path_factory.mktemp("store")))
    publish_matrix(job, matrix_of(600))
    return open_live(job.store)


def columns_of(publication: Publication) -> dict[str, np.ndarray]:
    matrix = publication.features()
    return {name: column(matrix, name) for name in matrix.column_names[2:]}


@pytest.fixture(scope="module")
def tree(publication: Publication) -> SurrogateTree:
    return surrogate_of(publication)


def test_the_tree_imitates_the_tiers_better_than_the_commonest_tier(tree):
    assert tree.commonest + 0.1 < tree.fidelity <= 1.0
    assert sum(node.feature is None for node in tree.nodes) <= 8


def test_the_fidelity_is_that_on_customers_kept_apart():
    rng = np.random.default_rng(0)
    columns = {"noise": rng.normal(size=400)}
    tree = fit_surrogate(columns, rng.choice(["a", "b"], 400).tolist())
    assert abs(tree.fidelity - 0.5) < 0.12


def test_labels_that_follow_one_feature_are_found_again_with_missing_values():
    x = np.where(np.arange(400) % 10 == 0, np.nan, np.arange(400.0))
    labels = ["high" if value > 250 else "low" for value in np.nan_to_num(x, nan=200.0)]
    tree = fit_surrogate({"x": x}, labels, leaves=2)
    assert tree.inputs == ("x",)
    assert 240 < tree.nodes[0].threshold < 260
    assert tree.assign({"x": np.array([np.nan, 300.0])}, 2).tolist() == ["low", "high"]
    rules = tree.rules({"x": {"zh": "某数", "en": "Some number"}}, {"x": "orders"})
    assert {label for label, _, _ in rules} == {"high", "low"}
    high = next(text for label, _, text in rules if label == "high")
    assert high.zh.startswith("某数不低于25")
    assert high.en.startswith("Some number at least 25")


def by_tree(document: str, row: dict[str, float]) -> str:
    """Score one row by the rules of PMML's TreeModel: a reader of the standard alone."""
    model = ET.fromstring(document).find("p:TreeModel", NS)
    assert model is not None
    for field in model.iterfind("p:MiningSchema/p:MiningField", NS):
        name, stand_in = field.get("name", ""), field.get("missingValueReplacement")
        if stand_in is not None and np.isnan(row[name]):
            row = row | {name: float(stand_in)}
    node = model.find("p:Node", NS)
    while node is not None:
        score = node.get("score")
        node = next((one for one in node.iterfind("p:Node", NS) if holds(one, row)), None)
    assert score is not None
    return score


def holds(node: ET.Element, row: dict[str, float]) -> bool:
    asked = node.find("p:SimplePredicate", NS)
    assert asked is not None
    value, edge = row[asked.get("field", "")], float(asked.get("value", ""))
    ways = {"lessOrEqual": value <= edge, "greaterThan": value > edge}
    return ways[asked.get("operator", "")]


def test_the_tree_as_pmml_places_every_customer_as_the_tree_does(publication, tree):
    document = pmml_of_tree(tree, "tier", "1")
    columns = columns_of(publication)
    ours = tree.assign(columns, 600)
    for i in range(600):
        assert by_tree(document, {name: columns[name][i] for name in columns}) == ours[i]


FUNCTIONS = {
    "if": lambda test, yes, no: yes if test else no,
    "isMissing": np.isnan,
    "lessThan": lambda a, b: a < b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "/": lambda a, b: a / b,
    "ln": lambda a: np.log(a) if a > 0 else np.nan,
    "min": min,
    "max": max,
}


def worked_out(expression: ET.Element, row: dict[str, float]) -> float:
    tag = expression.tag.removeprefix(f"{{{PMML}}}")
    if tag == "FieldRef":
        return row[expression.get("field", "")]
    if tag == "Constant":
        return float(expression.text or "")
    return FUNCTIONS[expression.get("function", "")](*(worked_out(one, row) for one in expression))


def test_the_segments_as_pmml_place_every_customer_as_the_segments_do(publication):
    segments = small_bundle().segments
    assert segments is not None
    document = pmml_of_segments(segments, "1")
    assert document is not None
    model = ET.fromstring(document).find("p:ClusteringModel", NS)
    assert model is not None
    derived = {
        field.get("name", ""): field[0]
        for field in model.iterfind("p:LocalTransformations/p:DerivedField", NS)
    }
    axes = [field.get("field", "") for field in model.iterfind("p:ClusteringField", NS)]
    centres = {
        cluster.get("name"): [float(v) for v in (cluster.findtext("p:Array", "", NS)).split()]
        for cluster in model.iterfind("p:Cluster", NS)
    }
    columns = columns_of(publication)
    ours = segments.assign(columns, 600)
    for i in range(0, 600, 7):
        row = {name: values[i] for name, values in columns.items()}
        point = [worked_out(derived[axis], row) for axis in axes]
        apart = {
            name: sum((a - b) ** 2 for a, b in zip(point, centre, strict=True))
            for name, centre in centres.items()
        }
        assert min(apart, key=lambda name: apart[name]) == ours[i]


def test_arff_reads_back_to_the_bit(publication, tmp_path):
    (path,) = export(publication, None, "arff", tmp_path)
    data, meta = arff.loadarff(path)
    for name, values in columns_of(publication).items():
        assert np.array_equal(data[name], values, equal_nan=True)
    scores = publication.scores()
    assert [word.decode() for word in data["tier"]] == scores["tier"].to_pylist()
    assert np.array_equal(data["clv_expected"], column(scores, "clv_expected"))
    assert meta["tier"][0] == "nominal"
    assert "customer_id" not in meta.names()


def test_names_that_arff_would_misread_are_quoted():
    numbers = {"it's %": np.array([1.5, np.nan])}
    lines = list(arff_lines("two words", numbers, {"kind": (["a b", "客户"], ["客户", None])}))
    assert lines[0] == "@relation 'two words'"
    data, _ = arff.loadarff(
        io.StringIO("\n".join(lines[:1] + lines[2:3] + ["@data", "'a b'", "?"]))
    )
    assert data["kind"][0] == b"a b"
    assert lines[-2:] == ["1.5,'客户'", "?,?"]


def test_csv_holds_every_customer_with_features_and_scores(publication, tmp_path):
    (path,) = export(publication, None, "csv", tmp_path / "new")
    table = pa_csv.read_csv(path)
    assert table["customer_id"].to_pylist() == publication.scores()["customer_id"].to_pylist()
    assert {f.name for f in FEATURES} | {"tier", "churn_probability"} <= set(table.column_names)


def test_pmml_is_written_for_tiers_and_segments(publication, tmp_path):
    written = export(publication, small_bundle().segments, "pmml", tmp_path)
    assert [path.name for path in written] == ["tiers.pmml", "segments.pmml"]
    assert all(ET.parse(path).getroot().get("version") == "4.4" for path in written)


def test_rules_in_words_name_every_condition_by_its_label_and_say_how_often_they_are_right(
    publication, tmp_path
):
    texts = {
        path.stem: path.read_text(encoding="utf-8")
        for path in write_rules(publication, FEATURES, small_bundle().segments, tmp_path / "new")
    }
    labels = {one.label["zh"] for one in FEATURES}
    rules = [line for line in texts["tier_rules.zh"].splitlines() if line.startswith("- ")]
    assert rules
    assert all(any(label in rule for label in labels) for rule in rules)
    tree = surrogate_of(publication)
    assert f"{tree.fidelity:.0%} get the tier" in texts["tier_rules.en"]
    assert "segment_rules.en" not in texts, "how often these are right is not known of them"


def test_segments_are_told_by_their_rules_and_how_often_these_are_right(publication, tmp_path):
    segments = small_bundle().segments.model_copy(update={"agreement": 0.93})
    for path in write_rules(publication, FEATURES, segments, tmp_path):
        told = path.read_text(encoding="utf-8")
        if path.name == "segment_rules.en.md":
            assert "93%" in told
            assert all(one.name.en in told and one.description.en in told for one in segments.all)


@pytest.mark.parametrize(
    ("unit", "edge", "said"),
    [("orders", 2.5, "at least 3"), ("days", 31.25, "above 31.2"), ("share", 0.0625, "above 6.2%")],
)
def test_conditions_of_tiers_are_said_in_whole_numbers_where_they_count(unit, edge, said):
    leaf = Node(label="high", n=60)
    nodes = (Node(feature="x", threshold=edge, left=1, right=2, label="high", n=120), leaf, leaf)
    tree = SurrogateTree(nodes=nodes, labels=("high",), stand_in={}, fidelity=1.0, commonest=1.0)
    found = [
        text.en for _, _, text in tree.rules({"x": {"zh": "某数", "en": "Number"}}, {"x": unit})
    ]
    assert f"Number {said}" in found


def test_some_customers_are_read_out_of_any_row_groups(tmp_path):
    path = tmp_path / "features.parquet"
    pq.write_table(pa.table({"place": range(10)}), path, row_group_size=3)
    for rows in ([0, 2, 3, 9], [4], [], list(range(10))):
        assert rows_of(path, np.array(rows, dtype=np.int64))["place"].to_pylist() == rows
