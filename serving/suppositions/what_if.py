"""What the models say of a customer if certain events came: before, idle, and with them.

The events become records (``scenarios.py``) that go through the same features, models and policy at
a later day. The fair comparison is the same customer on the same later day with nothing
happening; both are told, for waiting alone changes a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa

from configs.events import AnyEvent
from configs.section import Text
from features.sources import date_of, day_number
from serving.endpoint.served import FeatureBuild, Served, rows_of
from serving.scores.concept_names import concept_name
from serving.scores.publication import SCORES_FILE
from serving.scores.reasons import TARGETS
from serving.scores.scorer import PREVIOUS, previous_of
from serving.suppositions.scenarios import Placed, Scene, as_known, name_of, stored_tables
from serving.suppositions.supposed import NotSupposableError

IN_DAYS = 28
NOTE = Text(
    zh="这是模型从以往客户中学到的关联，并非承诺：实际结果可能不同。",
    en="An association that the model learnt from past customers, not a promise: what comes may "
    "differ.",
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Supposed:
    """A customer as known on a day, ready to be supposed about.

    Attributes:
        served: models, policy and publication.
        scene: the customer's records.
        published: the published row of scores; ``None`` where they are scored now.
    """

    served: Served
    scene: Scene
    published: pa.Table | None = None

    def score(self, scenarios: Sequence[Sequence[Placed]], until: int) -> tuple[pa.Table, pa.Table]:
        """Return features and scores on day ``until``, a row per scenario, in their order.

        All scenarios go through one feature build; each is scored as it would be alone. The past
        that tiers are held against is today's score.
        """
        names = [name_of(place) for place in range(len(scenarios))]
        tables = self.scene.after(scenarios)
        matrix = self._build.compiled(tables, until, pa.table({"customer_id": names}))
        past = self._past.take([0] * len(names)) if len(self._past) else self._past
        if len(past):
            past = past.set_column(0, PREVIOUS.field(0), pa.array(names, pa.string()))
        return matrix, self.served.reasoner.scorer.score(matrix, past)

    @property
    def _build(self) -> FeatureBuild:
        assert self.served.matrix_of is not None
        return self.served.matrix_of

    @cached_property
    def today(self) -> Row:
        """The row of scores as of today: the published one, or one scored now."""
        (row,) = self._today.to_pylist()
        return dict(row)

    @cached_property
    def _today(self) -> pa.Table:
        if self.published is not None:
            return self.published
        as_of, customer_id = self.scene.as_of, self.scene.customer_id
        customers = pa.table({"customer_id": [customer_id]})
        matrix = self._build.compiled(self.scene.tables, as_of, customers)
        past = self.served.past([customer_id], date_of(as_of))
        return self.served.reasoner.scorer.score(matrix, past)

    @cached_property
    def _past(self) -> pa.Table:
        return previous_of(self._today)


def suppose(
    served: Served, tables: Mapping[str, pa.Table], customer_id: str, as_of: int
) -> Supposed:
    """Return the customer of ``tables`` as known on ``as_of``.

    Raises:
        NotSupposableError: the models are of contract customers, who have no records to suppose.
    """
    if served.matrix_of is None:
        raise NotSupposableError(
            Text(
                zh="该模型由合同客户的现成列学得，没有可供假设的记录",
                en="this model was learnt from ready columns of contract customers; there are no "
                "records to suppose more of",
            ),
            Text(
                zh="`echelon explain`会说明客户数值的由来。",
                en="`echelon explain` prints what a customer's figures come from.",
            ),
        )
    known = as_known(served.matrix_of.with_sentiment(tables), as_of)
    return Supposed(served, Scene(customer_id, as_of, known, served.zone))


def suppose_published(served: Served, customer_id: str) -> Supposed:
    """Return a published customer with the records that the publication was made from.

    Raises:
        PublicationError: nobody of that id is published.
        NotSupposableError: those records are no longer there.
    """
    served.publication.customer(customer_id)
    generation = served.generations / served.publication.manifest.records
    tables = stored_tables(generation, customer_id)
    supposed = suppose(served, tables, customer_id, day_number(served.as_of))
    return replace(supposed, published=rows_of(served.publication, SCORES_FILE, [customer_id]))


def what_if(supposed: Supposed, events: Sequence[AnyEvent], in_days: int = IN_DAYS) -> Row:
    """Return what the models say today, idle and with ``events``, JSON-safe.

    Args:
        supposed: the customer.
        events: what happens within ``in_days``.
        in_days: days from the day of the scores to the later day.

    Returns:
        ``today``, ``idle`` (on the later day, nothing having happened) and ``with_events``, each
        with churn, expected value and tier; ``effect``, the difference of the latter two, by
        concept: percentage points of churn, money of clv.

    Raises:
        NotSupposableError: an event cannot be supposed of this customer, or falls after the
            later day.
    """
    placed = supposed.scene.place(events, in_days)
    late = [one for one in placed if one.day > supposed.scene.as_of + in_days]
    if late:
        ahead = late[0].event.in_days
        raise NotSupposableError(
            Text(
                zh=f"有事件在{ahead}天后，只问了{in_days}天",
                en=f"an event lies {ahead} days ahead, but {in_days} are asked about",
            ),
            Text(zh="请问更多天，或让事件更早。", en="Ask about more days, or have it earlier."),
        )
    supposed.scene.check(placed)
    until = supposed.scene.as_of + in_days
    matrix, scores = supposed.score([(), placed], until)
    idle, with_events = scores.to_pylist()
    terms = supposed.served.publication.manifest.terms
    return {
        "customer_id": supposed.scene.customer_id,
        "as_of": date_of(supposed.scene.as_of).isoformat(),
        "until": date_of(until).isoformat(),
        "versions": terms.versions,
        "currency": terms.currency,
        "horizon_days": {"churn": terms.churn_horizon_days, "clv": terms.clv_horizon_days},
        "events": [told_event(one, supposed.scene) for one in placed],
        "today": outcome(supposed.today),
        "idle": outcome(idle),
        "with_events": outcome(with_events),
        "effect": _effect(supposed.served, matrix, scores),
        "note": NOTE.model_dump(),
        "warnings": sorted(set(with_events["warnings"]) - set(idle["warnings"])),
    }


def outcome(score: Mapping[str, Any]) -> Row:
    """Return the three numbers of a row of scores; ``None`` where there is no such model."""
    return {
        "churn": score["churn_probability"],
        "churn_band": score["churn_band"],
        "clv": score["clv_expected"],
        "tier": score["tier"],
    }


def told_event(one: Placed, scene: Scene) -> Row:
    """Return a single event with its day, JSON-safe."""
    told = one.event.model_dump(exclude={"count", "in_days"}) | {"on": date_of(one.day).isoformat()}
    if told["event"] == "order" and told["amount"] is None:
        told["amount"] = scene.usual_amount
    return told


def _effect(served: Served, matrix: pa.Table, scores: pa.Table) -> Row:
    """Return the difference between the second row and the first, by concept."""
    reasoner = served.reasoner
    columns = reasoner.scorer.columns(matrix)
    features = reasoner.scorer.bundle.features
    concept_of = {feature.name: feature.concept for feature in features}
    effect: Row = {}
    for target in TARGETS:
        model = reasoner.scorer.bundle.models.get(target)
        if model is None or not model.inputs:
            effect[target] = None
            continue
        split = reasoner.breakdown(target, columns, scores)
        moved: dict[str, float] = {}
        for name, points in zip(split.inputs, split.points, strict=True):
            concept = concept_of[name]
            moved[concept] = moved.get(concept, 0.0) + float(points[1] - points[0])
        effect[target] = {
            "change": float(split.shown[1] - split.shown[0]),
            "concepts": [
                {"concept": c, "name": concept_name(c, features).model_dump(), "points": points}
                for c, points in sorted(moved.items(), key=lambda one: (-abs(one[1]), one[0]))
                if points != 0
            ],
        }
    return effect
