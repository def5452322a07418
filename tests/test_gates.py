"""Gates hold a challenger back for what it does worse, and for nothing else."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from configs.errors import PromotionRefused
from configs.load import load
from configs.section import Text
from serving import pipeline
from serving.champions.comparison import Comparison
from serving.champions.contest import Contest, Side
from serving.champions.differences import Difference, FeatureChanges
from serving.champions.gates import failed, judged
from serving.champions.moves import Moves
from serving.champions.promotion import refusal
from serving.cli import app
from training.held_out import HeldOut
from training.paired import Duel

RULES = load(None, {}).promotion
NAMES = {"vip": Text(zh="贵宾", en="VIP"), "low": Text(zh="普通", en="Low")}


def version(number, grade):
    graded = SimpleNamespace(grade=None if grade is None else SimpleNamespace(letter=grade))
    targets = {"churn": graded, "clv": graded}
    bundle = SimpleNamespace(evaluation=SimpleNamespace(targets=targets))
    return Side(number, bundle, HeldOut())


def compared(ranking=0.0, calibration=0.02, moved=0, grades=("B", "B"), meaning=()):
    """A comparison of versions 1 and 2 that differ in what is given."""
    width = 0.005
    ece = Duel("ece15", 0.02, calibration, -0.01, 0.01)
    main = {"churn": ("auc", 0.80), "clv": ("ngini", 0.60)}
    contests = {
        target: Contest(
            target,
            day="2024-10-04",
            n=1000,
            duels=(
                Duel(metric, at, at + ranking, ranking - width, ranking + width),
                *([ece] if target == "churn" else []),
            ),
        )
        for target, (metric, at) in main.items()
    }
    counts = {("vip", "vip"): 100 - moved, ("vip", "low"): moved}
    moves = Moves(NAMES, counts, (), (1.0, 1.0), (0.1, 0.1))
    one, other = version("1", grades[0]), version("2", grades[1])
    return Comparison(
        one, other, (), (), FeatureChanges((), (), ()), meaning, contests, moves, False
    )


def held(comparison):
    return {gate.gate for gate in failed(judged(RULES, comparison))}


def test_a_challenger_that_is_no_worse_passes_every_gate():
    assert held(compared()) == set()
    assert held(compared(ranking=0.05, grades=("C", "A"))) == set()


@pytest.mark.parametrize(
    ("changes", "gates"),
    [
        ({"ranking": -0.03}, {"ranking.churn", "ranking.clv"}),
        ({"calibration": 0.2}, {"calibration"}),
        ({"moved": 31}, {"tiers"}),
        ({"grades": ("B", "D")}, {"grade.churn", "grade.clv"}),
        ({"meaning": (Difference("churn.horizon_days", "90", "60"),)}, {"meaning"}),
    ],
)
def test_each_gate_holds_back_for_its_own_reason_alone(changes, gates):
    assert held(compared(**changes)) == gates


def test_what_chance_explains_holds_nobody_back():
    comparison = compared(ranking=-0.03)
    wide = {
        target: replace(one, duels=tuple(replace(d, low=-0.1, high=0.02) for d in one.duels))
        for target, one in comparison.contests.items()
    }
    assert held(replace(comparison, contests=wide)) == set()


def test_a_limit_gives_way_where_the_champion_is_no_better():
    assert held(compared(grades=("D", "D"))) == set()
    worse = compared(calibration=0.2)
    duels = (worse.contests["churn"].duels[0], Duel("ece15", 0.25, 0.2, -0.1, 0.0))
    contests = worse.contests | {"churn": replace(worse.contests["churn"], duels=duels)}
    assert held(replace(worse, contests=contests)) == set()


def test_where_there_is_nothing_to_judge_by_a_gate_says_so_and_lets_through():
    why = Text(zh="太少", en="too few")
    contests = {"churn": Contest("churn", why_not=why), "clv": Contest("clv", why_not=why)}
    gates = judged(RULES, replace(compared(grades=(None, None)), contests=contests))
    assert not failed(gates)
    assert [gate.gate for gate in gates if gate.verdict == "not_judged"] == [
        "ranking.churn", "ranking.clv", "calibration", "grade.churn", "grade.clv",
    ]  # fmt: skip
    assert "too few" in gates[1].said.en


def test_a_refusal_lists_the_gates_and_the_way_past_them():
    said = refusal("2", "1", judged(RULES, compared(ranking=-0.03)))
    assert "2 of 7 gates" in said
    assert "ranking.churn: AUC 0.770, champion 0.800" in said
    assert '--override "why"' in said


def test_a_run_whose_model_is_held_back_publishes_by_the_champion_and_says_so(monkeypatch):
    done = []

    def hold_back(*given, **named):
        raise PromotionRefused("ranking.churn")

    monkeypatch.setattr(pipeline, "take_in", lambda *given: "intake")
    monkeypatch.setattr(pipeline, "train", lambda *given: SimpleNamespace(version="2"))
    monkeypatch.setattr(pipeline, "promote", hold_back)
    monkeypatch.setattr(pipeline, "score", lambda *given: done.append("scored"))
    monkeypatch.setattr(pipeline, "open_live", lambda store: "live")
    monkeypatch.setattr(pipeline, "report", lambda config: done.append("reported"))
    outcome = pipeline.run(load(None, {}))
    assert done == ["scored", "reported"]
    assert (outcome.publication, outcome.refused) == ("live", "ranking.churn")


def test_the_command_ends_with_its_own_code_after_it_has_shown_everything(monkeypatch):
    outcome = SimpleNamespace(summary=lambda *given: "all that was made", refused="ranking.churn")
    monkeypatch.setattr(pipeline, "run", lambda *given: outcome)
    ended = CliRunner().invoke(app, ["run"])
    assert "all that was made" in ended.output
    assert isinstance(ended.exception, PromotionRefused)
    assert ended.exception.exit_code == 11
