"""What operators are given: metrics that are emitted, rules and files that tools accept."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from compose_spec import PyCompose
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from configs.load import load
from serving.endpoint.exposition import Live, exposition
from serving.endpoint.logs import FIELDS
from serving.endpoint.meters import Meters
from serving.endpoint.state import open_state
from serving.jobs.queues import Queues
from serving.scores.publication import open_publication
from serving.scores.publish import publish_matrix
from tests.small_bundle import job_in, matrix_of

FOLDER = Path("docs/operations")
GUIDE = Path("docs/operations.md")
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [target["expr"] for panel in PANELS for target in panel["targets"]]
PROMETHEUS_OWN = {"up"}
UNITS = ("_seconds", "_bytes", "_info", "_total")


@pytest.fixture(scope="module")
def emitted(tmp_path_factory) -> dict[str, Any]:
    """Every family of a scrape of an endpoint that has answered once, by name."""
    root = tmp_path_factory.mktemp("operations")
    meters, registry = Meters(), CollectorRegistry()
    meters.ended("predictions", 200, 0.01)
    meters.rows("predictions", 1)
    meters.loaded("p", True)
    job = job_in(root)
    publication = open_publication(publish_matrix(job, matrix_of(20)))
    registry.register(Live(publication, publication.manifest.created_at, "Asia/Shanghai"))
    state = open_state(job.config.stores)
    text = exposition(meters, None, [Queues(state)]) + generate_latest(registry)
    state.close()
    families = text_string_to_metric_families(text.decode())
    return {one.name: one for one in families if not one.name.endswith("_created")}


def names(families: dict[str, Any]) -> set[str]:
    """Return the names that samples carry, without the parts of a histogram."""
    samples = [one.name for family in families.values() for one in family.samples]
    whole = [name for name in samples if "_created" not in name or "timestamp" in name]
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in whole}


def asked(expression: str) -> set[str]:
    """Return the names of metrics in a PromQL expression; Grafana's interval is filled in."""
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in _selected(parsed)}


def _selected(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for attribute in ("expr", "lhs", "rhs", "vs", "vector_selector", "args"):
        inner = getattr(node, attribute, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from _selected(one)


def test_names_are_read_out_of_nested_expressions():
    expression = "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m]))) / b > 1 or up == 0"
    assert asked(expression) == {"a", "b", "up"}


@pytest.mark.parametrize("expression", [*TARGETS, *(rule["expr"] for rule in ALERTS)])
def test_dashboard_and_alerts_ask_for_metrics_that_are_emitted(emitted, expression):
    wanted = asked(expression)
    assert wanted
    assert wanted <= names(emitted) | PROMETHEUS_OWN


def test_every_metric_is_on_the_dashboard_and_in_the_guide_and_no_other(emitted):
    shown = set().union(*(asked(expression) for expression in TARGETS))
    guide = GUIDE.read_text(encoding="utf-8")
    explained = set(re.findall(r"`((?:echelon|process)_[a-z_]+)", guide))
    assert shown == names(emitted)
    assert explained == names(emitted)


def test_names_and_helps_follow_the_conventions_of_prometheus(emitted):
    for name, family in emitted.items():
        assert re.fullmatch(r"(echelon|process)_[a-z]+(_[a-z]+)*", name)
        assert family.documentation
        if family.type == "counter":
            assert all(one.name.endswith(("_total", "_created")) for one in family.samples)
        else:
            assert not name.endswith(("_total", "_count", "_sum", "_bucket"))
        if {"timestamp", "duration"} & set(name.split("_")):
            assert name.endswith("_seconds")


def test_no_label_may_take_a_value_that_a_client_chooses(emitted):
    labels = {
        label for family in emitted.values() for one in family.samples for label in one.labels
    }
    assert labels <= {
        "route", "status", "le", "code", "fallback", "asked_by", "outcome", "state",
        "publication", "model", "features", "policy",
        "echelon", "bentoml", "lightgbm", "pyarrow", "python",
    }  # fmt: skip


def test_the_dashboard_can_be_imported():
    assert DASHBOARD["schemaVersion"] >= 36
    (source,) = [one for one in DASHBOARD["templating"]["list"] if one["type"] == "datasource"]
    for panel in PANELS:
        assert panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == f"${{{source['name']}}}"
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_two_panels_lie_upon_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_every_alert_says_what_is_wrong_and_has_its_place_in_the_guide():
    headings = re.findall(r"^### (Echelon\w+)$", GUIDE.read_text(encoding="utf-8"), re.M)
    assert headings == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"{GUIDE}#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["for"]


def test_the_guide_lists_the_fields_of_the_log():
    told = GUIDE.read_text(encoding="utf-8").partition("## Logs")[2].partition("## Traces")[0]
    fields = set(re.findall(r"`([a-z_]+)`", told))
    assert fields == {"time", "level", *FIELDS}


def test_the_dockerfile_passes_its_linter():
    hadolint = Path(sys.executable).parent / "hadolint"
    run = subprocess.run(
        [hadolint, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")


def test_the_image_holds_no_stores_and_runs_as_nobody_in_particular():
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M)
    assert set(" ".join(copied).split()) == {
        "pyproject.toml", "constraints.txt", "README.md", "LICENSE",
        "configs", "features", "training", "serving",
    }  # fmt: skip
    assert re.search(r"^USER 10001:10001$", text, re.M)
    assert re.search(r"^HEALTHCHECK ", text, re.M)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    filled = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    spec = yaml.safe_load(filled)
    PyCompose.from_yaml(yaml.safe_dump(spec)).to_spec()
    return dict(spec["services"])


def test_the_compose_file_is_one_and_its_containers_can_change_only_their_volumes(services):
    for name in ("echelon", "nightly"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert services["echelon"]["ports"] == ["443:8443"]
    for name in ("proxy", "prometheus"):
        assert services[name]["network_mode"] == "service:echelon"
        assert "ports" not in services[name]


def test_the_settings_of_the_containers_are_settings(services):
    environment = services["echelon"]["environment"]
    config = load(None, environment)
    assert str(config.stores.root) == "/var/lib/echelon"
    assert "echelon.example" in config.serving.allowed_hosts


UNIT_FILES = sorted(FOLDER.glob("*.service")) + sorted(FOLDER.glob("*.timer"))


@pytest.mark.parametrize("path", UNIT_FILES, ids=lambda path: path.name)
def test_the_units_parse_and_those_that_run_are_confined(path):
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path, encoding="utf-8")
    assert unit["Unit"]["Description"]
    if path.suffix == ".timer":
        assert unit["Timer"]["OnCalendar"]
        assert path.with_suffix(".service").exists()
        return
    service = unit["Service"]
    assert service["User"] == "echelon"
    for setting, value in (
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
    ):
        assert service[setting] == value


@pytest.mark.slow
def test_systemd_accepts_the_units_where_it_is_there(tmp_path):
    for path in UNIT_FILES:
        text = path.read_text(encoding="utf-8")
        (tmp_path / path.name).write_text(text.replace("/opt/echelon/bin/echelon", "/bin/true"))
    units = sorted(map(str, tmp_path.iterdir()))
    assert len(units) == len(UNIT_FILES)
    if shutil.which("systemd-analyze"):
        run = ["systemd-analyze", "verify", *units]
        assert subprocess.run(run, capture_output=True, text=True, check=True).stderr == ""
        confined = ["systemd-analyze", "security", "--offline=true", "--threshold=20"]
        subprocess.run([*confined, str(tmp_path / "echelon.service")], check=True)


def test_the_cron_job_can_change_only_the_stores():
    job = yaml.safe_load((FOLDER / "cronjob.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}
    assert container["args"][0] == "run"


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_the_guide_names_every_file_beside_it(path):
    assert f"operations/{path.name}" in GUIDE.read_text(encoding="utf-8")
