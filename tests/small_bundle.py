"""A small fitted bundle on simulated customers: real models, quickly made."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa

from configs.load import load
from configs.schema import Config
from configs.section import Text
from configs.tiers import ChurnBands, Guard, Tier
from features.spec import Feature
from serving.scores.answers import Terms, terms_of
from serving.scores.job import Job
from training.additive import AdditiveModel
from training.anchor import Anchor
from training.coverage import Errors
from training.evaluate import Evaluation
from training.fitted import Reference, summarise
from training.intervals import Intervals
from training.outlook import Outlook, Reach
from training.policy import Policy
from training.portfolio import Portfolio
from training.purchase import GammaGamma, MbgNbd
from training.segments import Axis, Segment, Segments

TREE_INPUTS = (
    "order_count_84d",
    "order_count_84d_before",
    "spend_364d",
    "csat_latest",
    "visits_84d",
)
ANCHOR_INPUTS = ("frequency", "recency_days", "tenure_days", "monetary_value")
UNITS = {
    "orders": Text(zh="单", en="orders"),
    "days": Text(zh="天", en="days"),
    "times": Text(zh="次", en="times"),
}


@dataclass(frozen=True)
class SmallBundle:
    """What the scorer reads of a bundle."""

    models: dict[str, Any]
    policy: Policy
    segments: Segments | None
    intervals: Intervals | None
    features: tuple[Feature, ...]
    reference: Reference
    evaluation: Evaluation | None = None
    outlook: Outlook | None = None
    portfolio: Portfolio | None = None


def itself(table: Any) -> Any:
    """A feature's value that is never computed; it can be sent to another process."""
    return table


def feature(name: str, concept: str, unit: str, zh: str, en: str, **more: Any) -> Feature:
    given = {"family": "behaviour", "source": "transactions"} | more
    return Feature(
        name=name,
        value=itself,
        concept=concept,
        unit=unit,
        label={"zh": zh, "en": en},
        **given,
    )


FEATURES = (
    feature("frequency", "frequency", "times", "复购次数", "Repeat purchases"),
    feature("recency_days", "recency", "days", "首末次购买间隔", "First to last purchase"),
    feature("tenure_days", "tenure", "days", "首次购买至今", "Since the first purchase"),
    feature("monetary_value", "spend", "currency", "每次消费", "Spend per purchase"),
    feature("order_count_84d", "frequency", "orders", "近12周订单数", "Orders in 12 weeks",
            window_days=84, when_empty=0.0, actionable=True),
    feature("order_count_84d_before", "frequency", "orders", "此前12周订单数",
            "Orders in the 12 weeks before", window_days=84, lag_days=84, when_empty=0.0),
    feature("spend_364d", "spend", "currency", "近12个月消费", "Spend in 12 months",
            window_days=364, when_empty=0.0),
    feature("csat_latest", "satisfaction", "", "最近满意度评分", "Latest satisfaction score",
            family="satisfaction", source="satisfaction", actionable=True),
    feature("visits_84d", "visits", "times", "近12周到访", "Visits in 12 weeks",
            family="interaction", source="interactions", window_days=84, when_empty=0.0),
)  # fmt: skip


def matrix_of(n: int, day: int = 20_000, seed: int = 0) -> pa.Table:
    """Customers in every situation: a tenth never bought, many never surveyed."""
    rng = np.random.default_rng(seed)
    tenure = rng.integers(1, 900, n).astype(float)
    frequency = rng.poisson(3.0, n).astype(float)
    recency = np.where(frequency > 0, np.floor(tenure * rng.beta(3, 2, n)), 0.0)
    money = np.round(np.exp(rng.normal(4.5, 1.0, n)), 2)
    never = rng.random(n) < 0.1
    values = {
        "frequency": np.where(never, np.nan, frequency),
        "recency_days": np.where(never, np.nan, recency),
        "tenure_days": np.where(never, np.nan, tenure),
        "monetary_value": np.where(never, np.nan, money),
        "order_count_84d": np.where(never, 0.0, rng.poisson(1.0, n)),
        "order_count_84d_before": np.where(never, 0.0, rng.poisson(1.0, n)),
        "spend_364d": np.where(never, 0.0, np.round(money * frequency, 2)),
        "csat_latest": np.where(rng.random(n) < 0.5, np.nan, rng.integers(1, 6, n)),
        "visits_84d": rng.poisson(4.0, n).astype(float),
    }
    ids = pa.array([f"C{i:06d}" for i in range(n)])
    cutoff = pa.array(np.full(n, day), pa.int32())
    arrays = [pa.array(column, pa.float64(), from_pandas=True) for column in values.values()]
    return pa.table([ids, cutoff, *arrays], names=["customer_id", "cutoff", *values])


@cache
def small_bundle() -> SmallBundle:
    """A bundle with both models, four tiers, two segments and one guard rule."""
    matrix = matrix_of(3_000, seed=1)
    columns = {name: matrix[name].to_numpy() for name in matrix.column_names[2:]}
    purchase = MbgNbd.from_dict({"r": 0.5, "alpha": 60.0, "a": 0.6, "b": 2.0})
    reference = {"frequency": 3.0, "recency_days": 200.0, "tenure_days": 450.0}
    churn_anchor = Anchor(90, 0.2, -0.8, 2.2, reference, purchase)
    spend = GammaGamma.from_dict({"p": 6.0, "q": 4.0, "gamma": 15.0})
    value_anchor = Anchor(365, 0.0, 1.0, 3.0, reference | {"monetary_value": 90.0}, purchase, spend)
    churn = AdditiveModel("churn", 90, churn_anchor, TREE_INPUTS, None, 0.1, 0.9)
    value = AdditiveModel("clv", 365, value_anchor, TREE_INPUTS, None, 0.05, 1.0)
    churn = replace(churn, trees=_trees(columns, 1.0), threads=1)
    value = replace(value, trees=_trees(columns, -1.0), threads=1)
    expected = value.predict(columns)
    policy = _policy(expected)
    tiers = policy.assign(expected, guard_columns=columns).codes
    noise = np.random.default_rng(2).gamma(1.0, 1.0, len(expected))
    intervals = Intervals.fit(expected, expected * noise, 0.8)
    errors = Errors(dt.date(2024, 1, 1), expected, expected * noise)
    return SmallBundle(
        models={"churn": churn, "clv": value},
        policy=policy,
        segments=_segments(),
        intervals=intervals,
        features=FEATURES,
        reference=summarise(columns, tiers),
        outlook=_outlook(purchase, spend, policy, columns),
        portfolio=Portfolio.fit(errors, policy.thresholds, 0.8, past=[errors]),
    )


def _outlook(purchase: MbgNbd, spend: GammaGamma, policy: Policy, columns: Any) -> Outlook:
    levels = [2.0 - 2.0 * np.log(threshold) for threshold in policy.thresholds]
    reaches = tuple(
        Reach(float(level), 2.0, 2.0, -3.0 - place, _trees(columns, -0.5) if place < 2 else None)
        for place, level in enumerate(levels)
    )
    return Outlook(365, purchase, spend, TREE_INPUTS, reaches)


def _trees(columns: dict[str, np.ndarray], sign: float) -> str:
    X = np.column_stack([columns[name] for name in TREE_INPUTS])
    y = sign * (0.4 * (X[:, 1] - X[:, 0]) - 0.1 * X[:, 4] - 0.2 * np.nan_to_num(X[:, 3], nan=3.0))
    data = lgb.Dataset(X, y)
    options = {"num_leaves": 4, "verbose": -1, "num_threads": 1, "seed": 0}
    return str(lgb.train(options, data, num_boost_round=30).model_to_string())


def _policy(expected: np.ndarray) -> Policy:
    names = {
        "vip": ("VIP客户", "VIP"),
        "potential": ("潜力客户", "Potential"),
        "general": ("一般客户", "General"),
        "low": ("低价值客户", "Low value"),
    }
    return Policy(
        name="vip4",
        objective="revenue",
        tiers=tuple(Tier(code=c, name=Text(zh=zh, en=en)) for c, (zh, en) in names.items()),
        thresholds=tuple(float(q) for q in np.quantile(expected, (0.5, 0.8, 0.95))),
        thresholds_by="quantile",
        hysteresis=0.2,
        minimum_stay_days=28,
        guards=(
            Guard(
                name=Text(zh="满意度过低", en="Very dissatisfied"),
                feature="csat_latest",
                at_most=1.0,
                cap="general",
            ),
        ),
        churn_bands=ChurnBands(medium=0.3, high=0.6),
    )


def _segments() -> Segments:
    axis = Axis(feature="spend_364d", is_logged=True, middle=4.0, spread=2.0, low=0.0, high=1e5)
    big = Segment(
        code="big_baskets",
        name=Text(zh="大额客户", en="Big baskets"),
        description=Text(zh="近12个月消费高于¥200", en="Spend in 12 months above CN¥200"),
        centre=(1.0,),
        share=0.5,
    )
    small = Segment(
        code="small_baskets",
        name=Text(zh="小额客户", en="Small baskets"),
        description=Text(zh="近12个月消费不超过¥200", en="Spend in 12 months up to CN¥200"),
        centre=(-1.0,),
        share=0.5,
    )
    return Segments(axes=(axis,), segments=(big, small))


def config_in(folder: Path, **serving: Any) -> Config:
    """The default configuration with its stores in ``folder``."""
    config = load(None, {"ECHELON_STORES__ROOT": str(folder)})
    return config.model_copy(
        update={"serving": config.serving.model_copy(update=serving)} if serving else {}
    )


def terms(config: Config, bundle: SmallBundle | None = None) -> Terms:
    return terms_of(config, bundle or small_bundle(), "12", "9f2c")


def job_in(folder: Path, bundle: SmallBundle | None = None, **serving: Any) -> Job:
    """A publication job in ``folder``."""
    config = config_in(folder, **serving)
    bundle = bundle or small_bundle()
    return Job(config, bundle, terms(config, bundle), "records-1", UNITS)
