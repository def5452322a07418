"""What can be trained on the records there are: how much history each horizon needs."""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from configs.schema import Config
from configs.section import Text

HORIZONS = (730, 546, 365, 273, 182, 180, 120, 90, 60, 30, 14)
"""Horizons that are offered where the configured one asks for more history than there is."""
DAYS_PER_MONTH = 365.25 / 12


class Trainable(BaseModel):
    """Whether one target can be trained, with the reason in both languages."""

    model_config = ConfigDict(frozen=True)

    target: Literal["churn", "clv"]
    horizon_days: int
    possible: bool
    reason: Text
    offered_days: int | None = None


def trainable(
    config: Config, first_day: dt.date, last_day: dt.date, customers: int
) -> list[Trainable]:
    """Return, for churn and CLV, whether there is history enough for the configured horizon.

    A model needs ``snapshots.minimum_history_days`` before its first cutoff, one horizon to learn
    the outcome in and, strictly later, one horizon to be graded in.
    """
    horizons: dict[Literal["churn", "clv"], int] = {
        "churn": config.churn.horizon_days,
        "clv": config.clv.horizon_days,
    }
    as_of = min(last_day, config.as_of or last_day)
    return [
        _judged(target, horizon, config, first_day, as_of, customers)
        for target, horizon in horizons.items()
    ]


def trainable_contracts(config: Config, labels: dict[str, int], has_value: bool) -> list[Trainable]:
    """Return, for contract customers with ``labels`` (count by label), what can be trained."""
    count, least = sum(labels.values()), min(labels.values(), default=0)
    enough = count >= config.training.minimum_customers and least >= 2
    churn = Trainable(
        target="churn",
        horizon_days=config.churn.horizon_days,
        possible=enough,
        reason=Text(
            zh=f"{count} 位客户，其中较少一类 {least} 位",
            en=f"{count:,} customers, {least:,} of the rarer label",
        ),
    )
    reason = Text(zh="有月均价值", en="a value per month is given")
    if not has_value:
        reason = Text(zh="缺少 value_per_month", en="needs value_per_month, which is not mapped")
    clv = Trainable(
        target="clv",
        horizon_days=config.clv.horizon_days,
        possible=has_value and enough,
        reason=reason,
    )
    return [churn, clv]


def _judged(
    target: Literal["churn", "clv"],
    horizon: int,
    config: Config,
    first_day: dt.date,
    as_of: dt.date,
    customers: int,
) -> Trainable:
    fewest = config.training.minimum_customers
    if customers < fewest:
        text = Text(
            zh=f"至少需要 {fewest} 位客户，现有 {customers} 位：只用规则",
            en=f"needs {fewest} customers and has {customers}: rules only",
        )
        return Trainable(target=target, horizon_days=horizon, possible=False, reason=text)
    needed, has = _needs(config, horizon), (as_of - first_day).days + 1
    if config.snapshots.evaluation_cutoff is not None:
        return _at_given_cutoff(target, horizon, config, first_day, as_of)
    if has >= needed:
        text = Text(
            zh=f"需要 {_months(needed, up=True)} 个月，现有 {_months(has)} 个月",
            en=f"needs {_months(needed, up=True)} months and has {_months(has)}",
        )
        return Trainable(target=target, horizon_days=horizon, possible=True, reason=text)
    offered = next((days for days in HORIZONS if days < horizon and _needs(config, days) <= has), 0)
    text = Text(
        zh=f"需要 {_months(needed, up=True)} 个月，现有 {_months(has)} 个月"
        + (f"：可用 {offered} 天" if offered else ""),
        en=f"needs {_months(needed, up=True)} months and has {_months(has)}"
        + (f": {offered} d offered" if offered else ""),
    )
    return Trainable(
        target=target,
        horizon_days=horizon,
        possible=False,
        reason=text,
        offered_days=offered or None,
    )


def _at_given_cutoff(
    target: Literal["churn", "clv"],
    horizon: int,
    config: Config,
    first_day: dt.date,
    as_of: dt.date,
) -> Trainable:
    """Judge a horizon around the evaluation cutoff that the configuration fixes."""
    cutoff = config.snapshots.evaluation_cutoff
    assert cutoff is not None
    before, after = (cutoff - first_day).days + 1, (as_of - cutoff).days
    learns = before >= config.snapshots.minimum_history_days + horizon
    graded = after >= horizon
    if learns and graded:
        text = Text(zh=f"在 {cutoff} 评估", en=f"graded at {cutoff}")
    elif graded:
        text = Text(
            zh=f"{cutoff} 之前只有 {before} 天：只用购买模型，不学树模型",
            en=f"{before} days before {cutoff} let no outcome close: the purchase model alone",
        )
    else:
        text = Text(
            zh=f"{cutoff} 之后只有 {after} 天，少于 {horizon} 天",
            en=f"only {after} days follow {cutoff}, fewer than the horizon",
        )
    return Trainable(target=target, horizon_days=horizon, possible=learns and graded, reason=text)


def _needs(config: Config, horizon: int) -> int:
    return config.snapshots.minimum_history_days + 2 * horizon


def _months(days: int, up: bool = False) -> int:
    months = days / DAYS_PER_MONTH
    return math.ceil(months) if up else math.floor(months)
