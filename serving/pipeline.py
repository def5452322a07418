"""The whole way in one place: records → models → registry → publication → report."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Group, RenderableType
from rich.text import Text as Line

from configs.errors import ModelError, PromotionRefused, PublicationError, did_you_mean
from configs.progress import Progress, silent
from configs.schema import Config
from configs.section import Language, Text
from features.intake import take_in
from features.refreshed import Refreshed, take_in_new
from features.sources import Records, open_engine, open_records
from features.spark.session import require_spark
from features.statement import statement
from features.stored.report import IntakeReport
from features.stored.report import show as show_intake
from serving.access.audit import note
from serving.champions.live_records import live_records
from serving.champions.promotion import promote
from serving.changes.totals_shown import show_totals
from serving.endpoint.served import bundle_of, open_served
from serving.pages.card_page import write_card
from serving.pages.explain import render
from serving.pages.kept_cards import keep_card
from serving.pages.report import write_report
from serving.pages.tier_rules import segment_fidelity, tier_rules, write_rules
from serving.policies.in_force import learning_config, under_policy_in_force
from serving.scores.carried import carried_over
from serving.scores.export import FORMATS, RULES
from serving.scores.export import export as write_export
from serving.scores.publication import Publication, open_live, open_publication
from serving.scores.publish import publish, shadow, thin_old
from serving.suppositions.what_if import Supposed, suppose_published
from training.bundle import read_bundle, write_bundle
from training.card import CARD_FOLDER, card_of, summary
from training.evaluate import Evaluation
from training.fit import fit
from training.fitted import Fitted
from training.held_out import HELD_OUT_FOLDER, write_held_out
from training.manifest import provenance_of, verified
from training.plots import draw
from training.registry import LONGEST_DESCRIPTION, champion, log_run, registered
from training.results import show as show_evaluation
from training.segments import Segments
from training.signing import public_key, signing_key
from training.sliced import with_slices

EXAMPLES = 3
REPORT = Text(zh="报告：", en="Report: ")
POLICY = Text(zh="等级策略：", en="Tier policy: ")
NEXT = Text(zh="接下来：", en="Next:")


@dataclass(frozen=True)
class Trained:
    """A registered model and how it did."""

    version: str
    evaluation: Evaluation


@dataclass(frozen=True)
class Renewed:
    """What a daily refresh made."""

    taken: Refreshed
    publication: Publication
    report: Path


@dataclass(frozen=True)
class Outcome:
    """What one whole run made."""

    intake: IntakeReport
    trained: Trained
    publication: Publication
    report: Path
    refused: str | None = None
    """Why the gates held the new model back and the champion scored; ``None`` if promoted."""

    def summary(self, language: Language, config: Path | None) -> RenderableType:
        """Return what the terminal shows at the end: figures, three customers, next commands."""
        examples = self.publication.examples(EXAMPLES)
        shown = [
            render(self.publication.customer(one), language, config=config) for one in examples
        ]
        totals = show_totals(self.publication.manifest, language)
        option = f" -c {config}" if config else ""
        commands = [f"explain{option} -- {examples[0]}", f"history{option}", f"serve{option}"]
        following = "\n".join(f"  echelon {command}" for command in commands)
        return Group(
            show_intake(self.intake, language),
            show_evaluation(self.trained.evaluation, language),
            *([] if totals is None else [totals]),
            *shown,
            Line(f"{POLICY[language]}{self.publication.manifest.terms.policy.name}"),
            Line(f"{REPORT[language]}{self.report}\n{NEXT[language]}\n{following}"),
        )


def run(config: Config, progress: Progress = silent) -> Outcome:
    """Take in, train, promote, publish and report; return what was made.

    A challenger that the gates hold back stays one: the champion scores the new records, so that
    readers have today's figures, and the outcome says why.

    Raises:
        EchelonError: a step cannot be done; what earlier steps made stays, and is whole.
    """
    if config.engine.name == "spark":
        require_spark()
    intake = take_in(config, progress)
    trained = train(config, progress)
    refused = None
    try:
        promote(config, trained.version, "echelon run", progress=progress)
    except PromotionRefused as held_back:
        refused = str(held_back)
    score(config, progress)
    live = open_live(config.stores.publications)
    return Outcome(intake, trained, live, report(config), refused)


def refresh(config: Config, progress: Progress = silent) -> Renewed:
    """Take in what is new, publish by the champion and report; return what was made.

    Raises:
        ModelError: nothing is promoted yet.
        ConfigError: records are read by Spark, all of them each time.
        EchelonError: a step cannot be done; what earlier steps made stays, and is whole.
    """
    champion(config)
    taken = take_in_new(config, progress)
    score(config, progress, taken)
    return Renewed(taken, open_live(config.stores.publications), report(config))


def train(config: Config, progress: Progress = silent) -> Trained:
    """Train on the records taken in, and register the signed bundle with its pictures.

    Raises:
        RecordsError: nothing is taken in yet.
        TrainingError: the records do not allow a model.
    """
    folder = live_records(config)
    learning = learning_config(config)
    fitted = fit(
        learning,
        _training_records(config, folder),
        progress,
        _segments_in_use(config),
        scratch=config.stores.root,
    )
    fitted = with_slices(config, fitted, folder)
    with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
        bundle = Path(scratch) / "bundle"
        key = signing_key(config.stores.keys)
        write_bundle(fitted, bundle, key, provenance_of(folder), config, _statement(config, fitted))
        progress("register", 0.2)
        pictures = draw(fitted, Path(scratch) / "plots", config.language)
        progress("register", 0.6)
        held_out = Path(scratch) / HELD_OUT_FOLDER
        write_held_out(fitted, held_out, key)
        card = card_of(config, fitted, verified(bundle, key.public_key()), folder)
        cards = write_card(config, card, fitted.evaluation, Path(scratch) / CARD_FOLDER)
        told = summary(card, LONGEST_DESCRIPTION)
        run_info = log_run(config, fitted, bundle, pictures, [held_out, cards], told)
        keep_card(config.stores, run_info.version, cards)
    progress("register", 1.0)
    return Trained(run_info.version, fitted.evaluation)


def _segments_in_use(config: Config) -> Segments | None:
    """Return the champion's segments, whose labels a new training keeps.

    ``None`` before the first, and where its bundle is refused: training may be what mends that.
    """
    try:
        return read_bundle(champion(config).folder, public_key(config.stores.keys)).segments
    except ModelError:
        return None


def score(config: Config, progress: Progress = silent, taken: Refreshed | None = None) -> Path:
    """Publish all customers' scores by the champion and return the publication's folder.

    Where a daily intake has ``taken`` what is new, features of others may be carried over.

    Tiers follow the policy in force: the one approved last, else the champion's own.

    Raises:
        ConfigError: that policy guards by a feature that the champion does not have.
        ModelError: nothing is promoted yet.
        RecordsError: nothing is taken in yet.
    """
    live = champion(config)
    bundle = read_bundle(live.folder, public_key(config.stores.keys))
    bundle = under_policy_in_force(config, bundle)
    records = live_records(config)
    is_of_taken = taken is not None and taken.report.generation == records.name
    carried = carried_over(config, bundle.digest, taken) if taken and is_of_taken else None
    folder = publish(config, bundle, live.version, records, progress, carried)
    made = {"publication": folder.name, "model": live.version, "policy": bundle.policy.name}
    note(config.stores, "published", **made)
    for old in thin_old(config):
        note(config.stores, "publication-thinned", publication=old)
    return folder


def policy_of(folder: Path) -> str:
    """Return what the policy of a publication is called."""
    return open_publication(folder).manifest.terms.policy.name


def score_shadow(config: Config, version: str, progress: Progress = silent) -> Path:
    """Score all customers by ``version`` unseen by readers, and return the shadow's folder.

    Raises:
        ModelError: there is no such version.
        RecordsError: nothing is taken in yet.
    """
    found = registered(config, version)
    bundle = read_bundle(found.folder, public_key(config.stores.keys))
    bundle = under_policy_in_force(config, bundle)
    return shadow(config, bundle, found.version, live_records(config), progress)


def supposed_customer(config: Config, customer_id: str) -> Supposed:
    """Return a published customer, ready to be supposed about.

    Raises:
        PublicationError: nothing is published, or nobody of that id.
        ModelError: the models that made the publication cannot be used.
        RecordsError: the records it was made from are no longer there.
    """
    live = open_live(config.stores.publications)
    live.customer(customer_id)
    return suppose_published(open_served(config, live.folder), customer_id)


def export(config: Config, form: str, out: Path) -> list[Path]:
    """Write the live publication for other tools and return the files.

    Raises:
        PublicationError: nothing is published, or there is no such format.
        ModelError: the models that made the publication cannot be used.
    """
    live = open_live(config.stores.publications)
    if form not in FORMATS:
        raise PublicationError(f"there is no format {form!r}; {did_you_mean(form, FORMATS)}")
    if form == RULES:
        bundle = bundle_of(live, config)
        return write_rules(live, bundle.features, bundle.segments, out)
    segments = bundle_of(live, config).segments if form == "pmml" else None
    return write_export(live, segments, form, out)


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
    rules = tier_rules(publication, bundle.features) if "clv" in bundle.models else None
    segments = segment_fidelity(bundle.segments)
    write_report(config, publication, bundle.evaluation, path, rules, segments)
    return path


def _statement(config: Config, fitted: Fitted) -> str | None:
    """Return what builds single customers' features; none where they come ready."""
    return None if config.sources.snapshot is not None else statement(fitted.features)


def _training_records(config: Config, folder: Path) -> Records | pa.Table:
    if config.sources.snapshot is not None:
        return pq.read_table(folder / "snapshot.parquet")
    return open_records(open_engine(config.engine), folder)
