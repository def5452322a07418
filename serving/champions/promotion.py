"""Promotion through the gates: the one way a challenger becomes champion."""

from __future__ import annotations

from configs.errors import PromotionRefused
from configs.progress import Progress, silent
from configs.schema import Config
from serving.access.audit import note
from serving.champions.comparison import compare
from serving.champions.gates import failed, judged
from training.promotions import GateOutcome, Promotion
from training.registry import history, registered
from training.registry import promote as put_on_record
from training.registry import rollback as roll_back


def promote(
    config: Config,
    version: str = "latest",
    reason: str = "",
    override: str | None = None,
    progress: Progress = silent,
) -> Promotion:
    """Make ``version`` the champion if the gates let it through, and put what they said on record.

    The first champion has nothing to be held against and passes. Going back to a former champion
    is a rollback and passes no gate.

    Args:
        config: limits of the gates, stores, records.
        version: a number, ``latest`` or ``challenger``.
        reason: why; kept on record.
        override: why it becomes champion though a gate fails; ``None`` heeds the gates.
        progress: told of each step.

    Raises:
        PromotionRefused: a gate fails and nobody overrides it; the champion stays.
        ModelError: there is no such version, or its bundle is refused; the champion stays.
    """
    found = registered(config, version).version
    past = history(config)
    if not past or past[0].version == found:
        return _noted(config, put_on_record(config, found, override or reason))
    gates = judged(config.promotion, compare(config, found, past[0].version, progress))
    if failed(gates) and override is None:
        raise PromotionRefused(refusal(found, past[0].version, gates))
    return _noted(config, put_on_record(config, found, override or reason, gates))


def rollback(config: Config, reason: str = "") -> Promotion:
    """Make the champion before this one the champion again; see ``training.registry.rollback``."""
    return _noted(config, roll_back(config, reason))


def _noted(config: Config, promotion: Promotion) -> Promotion:
    note(config.stores, "champion", way=promotion.way, model=promotion.version)
    return promotion


def refusal(version: str, champion: str, gates: tuple[GateOutcome, ...]) -> str:
    """Return what to say of a challenger held back: every failed gate, and the ways on."""
    held = failed(gates)
    told = "\n".join(f"  {gate.gate}: {gate.said.en}\n    {gate.said.zh}" for gate in held)
    return (
        f"version {version} is not promoted: {len(held)} of {len(gates)} gates hold it back and "
        f"version {champion} stays champion.\n{told}\n"
        f"Look with `echelon compare {version}`; to promote it all the same, "
        f'`echelon promote {version} --override "why"`; limits are under `promotion:`'
    )
