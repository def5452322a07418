"""Champion and challenger held against each other: what they are, how they do, whom they move."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from configs.errors import ModelError, PublicationError
from configs.files import live_generation
from configs.progress import Progress, silent
from configs.schema import Config
from serving.champions.contest import Contest, Side, contests
from serving.champions.differences import (
    Difference,
    FeatureChanges,
    changed_meaning,
    config_changes,
    data_changes,
    feature_changes,
)
from serving.champions.live_records import live_records
from serving.champions.moves import Moves, Scored, moves_between, scored_by, scored_in
from serving.policies.in_force import under_policy_in_force
from serving.scores.publication import Publication, open_publication
from training.anchor import TargetName
from training.bundle import Bundle, read_bundle
from training.held_out import HELD_OUT_FOLDER, HeldOut, read_held_out
from training.registry import CHAMPION, fetch_beside, registered
from training.signing import public_key


@dataclass(frozen=True)
class Comparison:
    """Everything that `echelon compare` shows.

    Attributes:
        champion, challenger: the two versions.
        config, data, features: what they were made of.
        meaning: differing settings that say what is predicted; figures are not comparable then.
        contests: figures of both on the same customers, by target.
        moves: who would change tier.
        is_shadowed: whether the challenger's scores are those of a shadow.
    """

    champion: Side
    challenger: Side
    config: tuple[Difference, ...]
    data: tuple[Difference, ...]
    features: FeatureChanges
    meaning: tuple[Difference, ...]
    contests: dict[TargetName, Contest]
    moves: Moves
    is_shadowed: bool


def compare(
    config: Config,
    challenger: str = "latest",
    champion: str = CHAMPION,
    progress: Progress = silent,
) -> Comparison:
    """Return how the version ``challenger`` differs from the version ``champion``.

    Args:
        config: the company, its stores and its live records.
        challenger, champion: a number, ``latest``, ``challenger`` or ``champion``.
        progress: told of each step.

    Raises:
        ModelError: there is no such version, or the two are one.
        RecordsError: nothing is taken in yet.
    """
    one, other = side_of(config, champion), side_of(config, challenger)
    if one.version == other.version:
        raise ModelError(
            f"version {one.version} would be compared with itself: it is {champion} and "
            f"{challenger}. Train another, or name two: `echelon compare 4 --with 3`"
        )
    records = live_records(config)
    progress("judging", 0.0)
    judged = contests(config, one, other, records)
    progress("judging", 1.0)
    progress("scoring", 0.0)
    before, _ = _scored(config, under_policy_in_force(config, one.bundle), records)
    progress("scoring", 0.5)
    now, is_shadowed = _scored(config, under_policy_in_force(config, other.bundle), records)
    moves = moves_between(config, before, now)
    progress("scoring", 1.0)
    return Comparison(
        champion=one,
        challenger=other,
        config=config_changes(one.bundle, other.bundle),
        data=data_changes(one.bundle, other.bundle),
        features=feature_changes(one.bundle, other.bundle),
        meaning=changed_meaning(one.bundle, other.bundle),
        contests=judged,
        moves=moves,
        is_shadowed=is_shadowed,
    )


def side_of(config: Config, version: str) -> Side:
    """Return a version as one side of a comparison: its bundle and what it was judged by."""
    found = registered(config, version)
    key = public_key(config.stores.keys)
    bundle = read_bundle(found.folder, key)
    with tempfile.TemporaryDirectory(prefix="echelon-") as scratch:
        folder = fetch_beside(config, found.version, HELD_OUT_FOLDER, Path(scratch))
        held_out = HeldOut() if folder is None else read_held_out(folder, key)
    return Side(found.version, bundle, held_out)


def _scored(config: Config, bundle: Bundle, records: Path) -> tuple[Scored, bool]:
    """Return all customers of the live records by ``bundle``, and whether they were at hand."""
    made = _made_before(config, bundle, records)
    if made is None:
        return scored_by(config, bundle, records), False
    return scored_in(made, bundle), made.folder.parent == config.stores.shadows


def _made_before(config: Config, bundle: Bundle, records: Path) -> Publication | None:
    """Return the live publication, or the newest shadow, of this bundle and these records."""
    stores = config.stores
    live = live_generation(stores.publications)
    shadows = sorted(stores.shadows.glob("*-*"), reverse=True) if stores.shadows.is_dir() else []
    for folder in [*([] if live is None else [live]), *shadows]:
        try:
            made = open_publication(folder)
        except PublicationError:
            continue
        fits = made.manifest.bundle == bundle.digest and made.manifest.records == records.name
        fits &= made.manifest.terms.policy == bundle.policy
        is_of_the_day = config.as_of in (None, made.manifest.as_of)
        if fits and is_of_the_day:
            made.check()
            return made
    return None
