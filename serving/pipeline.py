"""The whole way in one place: records → models → registry → publication → report."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Group, RenderableType
from rich.text import Text as Line

from configs.errors import ModelError, RecordsError
from configs.files import live_generation
from configs.progress import Progress, silent
from configs.schema import Config, Language, Text
from features.intake import take_in
from features.report import IntakeReport
from features.report import show as show_intake
from features.sources import Records, open_engine, open_records
from features.spark_session import require_spark
from serving.explain import render
from serving.publication import Publication, open_live
from serving.publish import publish
from serving.report import write_report
from serving.totals_shown import show_totals
from training.bundle import read_bundle, write_bundle
from training.evaluate import Evaluation
from training.fit import fit
from training.held_out import HELD_OUT_FOLDER, write_held_out
from training.manifest import provenance_of
from training.plots import draw
from training.registry import champion, log_run, promote
from training.results import show as show_evaluation
from training.signing import public_key, signing_key

EXAMPLES = 3
REPORT = Text(zh="报告：", en="Report: ")
NEXT = Text(zh="接下来：", en="Next:")


@dataclass(frozen=True)
class Trained:
    """A registered model and how it did."""

    version: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """What one whole run made."""

    intake: IntakeReport
    trained: Trained
    publication: Publication
    report: Path

    def summary(self, language: Language, config: Path | None) -> RenderableType:
        """Return what the terminal shows at the end: figures, three customers, next commands."""
        examples = self.publication.examples(EXAMPLES)
        shown = [render(self.publication.customer(one), language) for one in examples]
        totals = show_totals(self.publication.manifest, language)
        option = f" -c {config}" if config else ""
        commands = [f"explain{option} -- {examples[0]}", f"history{option}", f"serve{option}"]
        following = "\n".join(f"  echelon {command}" for command in commands)
        return Group(
            show_intake(self.intake, language),
            show_evaluation(self.trained.evaluation, language),
            *([] if totals is None else [totals]),
            *shown,
            Line(f"{REPORT[language]}{self.report}\n{NEXT[language]}\n{following}"),
        )


def run(config: Config, progress: Progress = silent) -> Outcome:
    """Take in, train, promote, publish and report; return what was made.

    Raises:
        EchelonError: a step cannot be done; what earlier steps made stays, and is whole.
    """
    if config.engine.name == "spark":
        require_spark()
    intake = take_in(config, progress)
    trained = train(config, progress)
    promote(config, trained.version, "echelon run")
    score(config, progress)
    return Outcome(intake, trained, open_live(config.stores.publications), report(config))


def train(config: Config, progress: Progress = silent) -> Trained:
    """Train on the records taken in, and register the signed bundle with its pictures.

    Raises:
        RecordsError: nothing is taken in yet.
        TrainingError: the records do not allow a model.
    """
    folder = _live_records(config)
    fitted = fit(config, _training_records(config, folder), progress)
    with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
        bundle = Path(scratch) / "bundle"
        key = signing_key(config.stores.keys)
        write_bundle(fitted, bundle, key, provenance_of(folder), config)
        progress("register", 0.2)
        pictures = draw(fitted, Path(scratch) / "plots", config.language)
        progress("register", 0.6)
        held_out = Path(scratch) / HELD_OUT_FOLDER
        write_held_out(fitted, held_out, key)
        run_info = log_run(config, fitted, bundle, pictures, [held_out])
    progress("register", 1.0)
    return Trained(run_info.version, fitted.evaluation)


def score(config: Config, progress: Progress = silent) -> Path:
    """Publish all customers' scores by the champion and return the publication's folder.

    Raises:
        ModelError: nothing is promoted yet.
        RecordsError: nothing is taken in yet.
    """
    live = champion(config)
    bundle = read_bundle(live.folder, public_key(config.stores.keys))
    return publish(config, bundle, live.version, _live_records(config), progress)


def report(config: Config, out: Path | None = None) -> Path:
    """Write the managers' page for the live publication and return its path."""
    publication = open_live(config.stores.publications)
    version = publication.manifest.terms.versions["model"]
    bundle = read_bundle(config.stores.bundles / version, public_key(config.stores.keys))
    if not publication.is_made_by(bundle.digest):
        raise ModelError(
            f"{config.stores.bundles / version} is another bundle than the one that made "
            f"publication {publication.manifest.id}. Run `echelon score` to publish with the "
            "champion again"
        )
    path = out or config.stores.root / "report.html"
    write_report(config, publication, bundle.evaluation, path)
    return path


def _live_records(config: Config) -> Path:
    folder = live_generation(config.stores.records)
    if folder is None:
        raise RecordsError(
            f"no records are taken in under {config.stores.records}; run `echelon intake` first"
        )
    return folder


def _training_records(config: Config, folder: Path) -> Records | pa.Table:
    if config.sources.snapshot is not None:
        return pq.read_table(folder / "snapshot.parquet")
    return open_records(open_engine(config.engine), folder)
