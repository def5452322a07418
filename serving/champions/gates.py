"""What a challenger must hold to become champion, and what each gate says of one.

A gate that has nothing to judge by says so and holds nobody back: a company of thirty has no
figures, and is served all the same. A limit on what a model *is* (calibration, grade) gives way
where the champion is no better: holding back the lesser evil would keep the greater one.
"""

from __future__ import annotations

import math

from configs.learning import Promotion
from configs.section import Text
from serving.champions.comparison import Comparison
from training.anchor import TargetName
from training.evaluate import TargetEvaluation
from training.paired import Duel
from training.promotions import GateOutcome, Verdict

GRADES = "ABCD"
SHORT = {"auc": "AUC", "ngini": "nGini"}
"""Main figures as they are written in the trade."""
NOT_COMPARED = Text(zh="未判定：{why}", en="not judged: {why}")
SAME_MEANING = Text(zh="预测的是同一件事", en="predicts the same thing")
OTHER_MEANING = Text(zh="预测的含义变了：{said}", en="what is predicted has changed: {said}")
RANKING = Text(
    zh="{metric} {now:.3f}，冠军 {before:.3f}，差 {gap:+.3f}"
    "（90% 区间 {low:+.3f} 至 {high:+.3f}）；确定的下降至多 {limit}",
    en="{metric} {now:.3f}, champion {before:.3f}, difference {gap:+.3f} (90 % interval {low:+.3f} "
    "to {high:+.3f}); sure loss at most {limit}",
)
CALIBRATION = Text(
    zh="流失校准误差 {now:.3f}，冠军 {before:.3f}；上限 {limit}，或不高于冠军",
    en="calibration error of churn {now:.3f}, champion {before:.3f}; at most {limit}, or the "
    "champion's",
)
TIERS = Text(
    zh="{share:.1%} 的客户会换等级（{changed:,} 位，共 {n:,} 位）；上限 {limit:.0%}",
    en="{share:.1%} of customers would change tier ({changed:,} of {n:,}); at most {limit:.0%}",
)
GRADE = Text(
    zh="评级 {now}，冠军 {before}；至少 {limit}，或不低于冠军",
    en="grade {now}, champion {before}; at least {limit}, or the champion's",
)
NO_GRADE = Text(zh="未判定：资料太少，没有评级", en="not judged: too little to grade")


def judged(rules: Promotion, comparison: Comparison) -> tuple[GateOutcome, ...]:
    """Return what every gate says of the challenger, the failed ones among them."""
    return (
        _meaning(comparison),
        *(_ranking(rules, comparison, target) for target in comparison.contests),
        *([_calibration(rules, comparison)] if "churn" in comparison.contests else []),
        _tiers(rules, comparison),
        *(_grade(rules, comparison, target) for target in comparison.contests),
    )


def failed(gates: tuple[GateOutcome, ...]) -> tuple[GateOutcome, ...]:
    """Return the gates that hold the challenger back."""
    return tuple(gate for gate in gates if gate.verdict == "failed")


def _meaning(comparison: Comparison) -> GateOutcome:
    if not comparison.meaning:
        return GateOutcome(gate="meaning", verdict="passed", said=SAME_MEANING)
    changes = ", ".join(
        f"{one.key} {one.champion} → {one.challenger}" for one in comparison.meaning
    )
    return _outcome("meaning", False, OTHER_MEANING, said=changes[:300])


def _ranking(rules: Promotion, comparison: Comparison, target: TargetName) -> GateOutcome:
    """Refuse what ranks worse by more than the limit, and by more than chance explains."""
    contest, gate = comparison.contests[target], f"ranking.{target}"
    main = contest.main
    if main is None or math.isnan(main.difference):
        return _not_judged(gate, contest.why_not)
    is_worse = main.difference < -rules.ranking_loss_at_most and main.high < 0.0
    return _outcome(gate, not is_worse, RANKING, limit=rules.ranking_loss_at_most, **_told(main))


def _calibration(rules: Promotion, comparison: Comparison) -> GateOutcome:
    contest = comparison.contests["churn"]
    found = contest.figure("ece15")
    if found is None:
        return _not_judged("calibration", contest.why_not)
    limit = rules.calibration_error_at_most
    is_fine = found.challenger <= max(limit, found.champion)
    return _outcome("calibration", is_fine, CALIBRATION, limit=limit, **_told(found))


def _tiers(rules: Promotion, comparison: Comparison) -> GateOutcome:
    moves, limit = comparison.moves, rules.tier_changes_at_most
    return _outcome(
        "tiers",
        moves.share <= limit,
        TIERS,
        share=moves.share,
        changed=moves.changed,
        n=moves.n,
        limit=limit,
    )


def _grade(rules: Promotion, comparison: Comparison, target: TargetName) -> GateOutcome:
    gate = f"grade.{target}"
    before, now = (
        _grade_of(side.bundle.evaluation.targets.get(target))
        for side in (comparison.champion, comparison.challenger)
    )
    if now not in GRADES:
        return GateOutcome(gate=gate, verdict="not_judged", said=NO_GRADE)
    lowest = max(rules.lowest_grade, before if before in GRADES else "A")
    is_fine = now <= lowest
    return _outcome(gate, is_fine, GRADE, now=now, before=before, limit=rules.lowest_grade)


def _grade_of(evaluation: TargetEvaluation | None) -> str:
    """Return A to D; N where there is too little to tell, or nothing was graded."""
    graded = None if evaluation is None else evaluation.grade
    return "N" if graded is None else graded.letter


def _not_judged(gate: str, why: Text | None) -> GateOutcome:
    why = why or Text(zh="没有可比的数字", en="no figures to compare")
    said = Text(
        zh=NOT_COMPARED.zh.format(why=why.zh)[:300], en=NOT_COMPARED.en.format(why=why.en)[:300]
    )
    return GateOutcome(gate=gate, verdict="not_judged", said=said)


def _told(found: Duel) -> dict[str, str | float]:
    return {
        "metric": SHORT.get(found.metric, found.metric),
        "before": found.champion,
        "now": found.challenger,
        "gap": found.difference,
        "low": found.low,
        "high": found.high,
    }


def _outcome(gate: str, is_passed: bool, text: Text, **found: str | float) -> GateOutcome:
    verdict: Verdict = "passed" if is_passed else "failed"
    said = Text(zh=text.zh.format(**found), en=text.en.format(**found))
    return GateOutcome(gate=gate, verdict=verdict, said=said)
