"""What the doctor finds: a sound company, and one thing wrong at a time."""

from __future__ import annotations

import datetime as dt
import io
import json
import socket
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from configs.schema import Config
from configs.version import VERSION
from serving.access.keys import create, first_key
from serving.cli import app
from serving.console.visitors import people
from serving.doctor import doctor_access, doctor_machine, doctor_stores
from serving.doctor.doctor import Examined, Finding, examine
from serving.doctor.doctor_shown import render
from serving.endpoint.exposition import Versions
from serving.endpoint.state import open_state
from serving.scores.publish import publish_matrix
from tests.small_bundle import config_in, job_in, matrix_of
from training.manifest import libraries
from training.signing import signing_key


def found(check: Any, config: Config) -> Finding:
    (finding,) = check(config)
    return finding


@pytest.fixture
def config(tmp_path) -> Config:
    return config_in(tmp_path)


def test_before_the_first_run_it_says_what_to_do(config):
    (missing,) = [one for one in examine(config) if one.name.en == "publication"]
    assert missing.finding.state == "fail"
    assert "echelon run" in missing.finding.mend.en


def test_a_damaged_publication_fails_and_an_untouched_one_does_not(tmp_path):
    job = job_in(tmp_path)
    folder = publish_matrix(job, matrix_of(20))
    assert found(doctor_stores.publication, job.config).state == "ok"
    (folder / "scores.parquet").write_bytes(b"PAR1")
    findings = {one.name.en: one.finding for one in examine(job.config)}
    assert findings["publication"].state == findings["models"].state == "fail"
    assert "scores.parquet" in findings["publication"].said.en
    assert "Mend the publication first" in findings["models"].mend.en


def test_a_key_that_others_may_read_fails(config):
    signing_key(config.stores.keys)
    private = config.stores.keys / "signing.pem"
    assert found(doctor_stores.keys, config).state == "ok"
    private.chmod(0o644)
    assert found(doctor_stores.keys, config).state == "fail"
    private.unlink()
    assert "only serves" in found(doctor_stores.keys, config).said.en


def test_a_taken_port_fails_unless_an_endpoint_answers_there(config):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        serving = config.serving.model_copy(update={"port": other.getsockname()[1]})
        taken = config.model_copy(update={"serving": serving})
        monkey = pytest.MonkeyPatch()
        monkey.setattr(doctor_machine, "_is_echelon", lambda host, number: False)
        assert found(doctor_machine.port, taken).state == "fail"
        monkey.setattr(doctor_machine, "_is_echelon", lambda host, number: True)
        assert found(doctor_machine.port, taken).state == "ok"
        monkey.undo()
    assert found(doctor_machine.port, taken).state == "ok"


@pytest.mark.parametrize(("gib", "state"), [(0.2, "fail"), (2, "warn"), (50, "ok")])
def test_a_disk_that_fills_is_said_in_time(config, monkeypatch, gib, state):
    monkeypatch.setattr(
        doctor_machine.shutil, "disk_usage", lambda path: type("U", (), {"free": gib * 2**30})
    )
    assert found(doctor_machine.disk, config).state == state


def test_a_missing_package_fails_and_another_version_is_only_told(config, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_machine, "requires", lambda name: ["bentoml>=99", "nothing-such"])
    assert found(doctor_machine.software, config).state == "fail"
    monkeypatch.setattr(doctor_machine, "requires", lambda name: ["bentoml>=1"])
    pins = tmp_path / "constraints.txt"
    pins.write_text("bentoml==1.0.0\n")
    assert doctor_machine._unlike(pins)[0].startswith("bentoml")


def test_code_that_is_not_installed_knows_its_version_and_what_it_needs(config, monkeypatch):
    installed = metadata.Distribution.from_name

    def from_name(name: str) -> metadata.Distribution:
        if name == "echelon":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata.Distribution, "from_name", from_name)
    assert found(doctor_machine.software, config).state != "fail"
    assert libraries()["echelon"] == VERSION
    (told,) = Versions().collect()
    assert told.samples[0].labels["echelon"] == VERSION


def test_a_clock_that_is_off_is_said(config, monkeypatch):
    assert found(doctor_machine.clock, config).state == "ok"
    now = doctor_machine.time.time
    monkeypatch.setattr(doctor_machine.time, "time", lambda: now() - 100)
    assert found(doctor_machine.clock, config).state == "warn"


def test_a_state_database_of_a_later_echelon_fails(config, monkeypatch):
    assert found(doctor_access.state, config).state == "ok"
    monkeypatch.setattr("serving.doctor.doctor_access.versions", lambda stores: ("9999", "0001"))
    assert found(doctor_access.state, config).state == "fail"
    monkeypatch.setattr("serving.doctor.doctor_access.versions", lambda stores: ("0000", "0001"))
    assert found(doctor_access.state, config).state == "warn"


def test_keys_that_end_soon_and_the_first_keys_file_are_said(config):
    assert found(doctor_access.keys, config).state == "ok"
    state = open_state(config.stores)
    first_key(state, config.stores.root)
    assert found(doctor_access.keys, config).state == "ok"
    create(state, "shop", "application")
    assert "first key" in found(doctor_access.keys, config).said.en
    create(state, "crm", "application", (), dt.datetime.now(dt.UTC) + dt.timedelta(days=3))
    state.close()
    assert "two weeks" in found(doctor_access.keys, config).said.en


def test_a_bind_that_lets_others_in_fails_without_tls(config):
    serving = config.serving.model_copy(update={"host": "0.0.0.0"})
    opened = config.model_copy(update={"serving": serving})
    (one,) = [one for one in examine(opened) if one.name.en == "API keys"]
    assert one.finding.state == "fail"
    assert "TLS" in one.finding.said.en


def test_it_changes_nothing(config, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    list(examine(config))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_ends_with_1_where_something_fails_and_prints_json(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"stores: {{root: {tmp_path / 'store'}}}\n")
    run = CliRunner().invoke(app, ["doctor", "--json", "-c", str(path)])
    assert run.exit_code == 1
    states = {one["check"]: one["state"] for one in json.loads(run.stdout)}
    assert states["publication"] == "fail"
    assert states["time zone"] == "ok"


def test_every_finding_that_is_not_ok_says_how_to_mend_it_in_both_languages(config):
    for one in examine(config):
        assert (one.finding.mend is None) == (one.finding.state == "ok")
        assert one.finding.said.zh
        assert one.finding.said.en


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_table_counts_what_it_shows(config, language):
    from rich.console import Console

    shown = list(examine(config))
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(shown, language))
    text = console.export_text()
    failed = sum(one.finding.state == "fail" for one in shown)
    assert text.splitlines()[-1].count(str(failed)) >= 1
    assert all(isinstance(one, Examined) and one.name[language] in text for one in shown)


def test_what_it_says_to_run_names_the_configuration_that_was_given(config):
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(list(examine(config)), "en", Path("shop.yaml")))
    assert "`echelon run -c shop.yaml`" in console.export_text()


def test_it_counts_who_signs_in_and_misses_an_administrator(config):
    (nobody,) = doctor_access.people(config)
    state = open_state(config.stores)
    people.add(state, "Li Na", "manager", "correct horse battery")
    (alone,) = doctor_access.people(config)
    people.add(state, "Wang Wei", "admin", "another horse battery")
    (both,) = doctor_access.people(config)
    state.close()
    assert [one.state for one in (nobody, alone, both)] == ["ok", "warn", "ok"]
    assert "no administrator" in alone.said.en
    assert "2 people may sign in, 1 of them administrators" in both.said.en
