"""The features in pandas, one cutoff after the other, as it is commonly written.

Rows outside the longest window are left out before the windows are looked at; ``pandas_tuned.py``
does the one thing more that helps, and makes categories of customers, kinds and channels.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.scale.contest.subset import SUBSET, TABLES, Task, task

COLUMNS = {
    "transactions": ["customer_id", "day", "known_day", "kind", "order_id", "amount"],
    "interactions": ["customer_id", "day", "known_day", "kind", "channel", "duration_seconds"],
}
WEEKEND = (2, 3)


def compute(asked: Task) -> None:
    """Write the table."""
    write(asked, tables_of(asked))


def tables_of(asked: Task) -> dict[str, pd.DataFrame]:
    """Return the columns that are needed of every table."""
    return {
        name: pd.read_parquet(
            asked.records / f"{name}.parquet",
            columns=COLUMNS.get(name, ["customer_id", "day", "known_day"]),
        )
        for name in TABLES
    }


def write(asked: Task, tables: dict[str, pd.DataFrame]) -> None:
    """Write the table that ``tables`` give."""
    bought = tables["transactions"].query("kind == 'purchase'").drop(columns="kind")
    bought["order"] = bought["order_id"].fillna(bought["day"].astype("str"))
    first = pd.concat(_first(table) for table in tables.values()).groupby(level=0).min()
    matrices = []
    for cutoff in asked.cutoffs:
        matrix = pd.DataFrame(index=first.index[first <= cutoff])
        for name, values in {
            **_bought(bought[bought["known_day"] <= cutoff], cutoff),
            **_in_touch(tables["interactions"], cutoff),
        }.items():
            matrix[name] = values
        empty = [name for name in SUBSET if "_count_" in name or name.startswith("spend_")]
        matrix[empty] = matrix[empty].fillna(0)
        matrix.insert(0, "cutoff", cutoff)
        matrices.append(matrix.sort_index().reset_index(names="customer_id"))
    pd.concat(matrices, ignore_index=True).astype({"customer_id": "str"}).to_parquet(asked.out)


def _first(table: pd.DataFrame) -> pd.Series:
    return table.groupby("customer_id", observed=True)["known_day"].min()


def _bought(rows: pd.DataFrame, cutoff: int) -> dict[str, pd.Series]:
    of = rows.groupby("customer_id", observed=True)
    first, last, days = of["day"].min(), of["day"].max(), of["day"].nunique()
    values = {
        "frequency": days - 1,
        "recency_days": last - first,
        "tenure_days": cutoff - first,
        "monetary_value": of["amount"].sum() / days,
        "days_since_last_purchase": (cutoff - last).clip(upper=365),
    }
    year = rows[rows["day"] > cutoff - 364]
    for days_back in (28, 84, 182, 364):
        inside = year[year["day"] > cutoff - days_back].groupby("customer_id", observed=True)
        values[f"order_count_{days_back}d"] = inside["order"].nunique()
        values[f"spend_{days_back}d"] = inside["amount"].sum()
    for name, start, end in (("84d_before", 168, 84), ("182d_before", 364, 182)):
        values |= _orders_and_spend(year, name, cutoff - start, cutoff - end)
    values |= _orders_and_spend(year, "91d_year_ago", cutoff - 364, cutoff - 273)
    of = year.groupby("customer_id", observed=True)
    days = of["day"].nunique()
    weekend = year[(year["day"] % 7).isin(WEEKEND)].groupby("customer_id", observed=True)
    spend = of["amount"].sum()
    values["purchase_day_count_364d"] = days
    span = of["day"].max() - of["day"].min()
    values["purchase_interval_days_364d"] = (span / (days - 1)).where(days > 1)
    share = weekend["amount"].sum().reindex(spend.index).fillna(0) / spend
    values["weekend_share_364d"] = share.where(spend != 0)
    return values


def _orders_and_spend(rows: pd.DataFrame, name: str, start: int, end: int) -> dict[str, pd.Series]:
    inside = rows[(rows["day"] > start) & (rows["day"] <= end)]
    of = inside.groupby("customer_id", observed=True)
    return {f"order_count_{name}": of["order"].nunique(), f"spend_{name}": of["amount"].sum()}


def _in_touch(rows: pd.DataFrame, cutoff: int) -> dict[str, pd.Series]:
    rows = rows[rows["known_day"] <= cutoff]
    touches = rows[rows["kind"] != "campaign"]
    last = touches.groupby("customer_id", observed=True)["day"].max()
    values = {"days_since_last_interaction": (cutoff - last).clip(upper=365)}
    rows = rows[rows["day"] > cutoff - 364]
    touches = touches[touches["day"] > cutoff - 364]
    for days in (28, 84, 364):
        values[f"interaction_count_{days}d"] = _counted(touches, cutoff - days, cutoff)
    values["interaction_count_84d_before"] = _counted(touches, cutoff - 168, cutoff - 84)
    visits = rows[rows["kind"] == "visit"]
    values["visit_count_84d"] = _counted(visits, cutoff - 84, cutoff)
    values["visit_count_84d_before"] = _counted(visits, cutoff - 168, cutoff - 84)
    of = touches.groupby("customer_id", observed=True)
    values["interaction_minutes_364d"] = of["duration_seconds"].mean() / 60
    values["channel_count_364d"] = of["channel"].nunique()
    late = touches[touches["day"] > cutoff - 84].groupby("customer_id", observed=True)
    values["interaction_day_count_84d"] = late["day"].nunique()
    for kind in ("enquiry", "support"):
        some = rows[rows["kind"] == kind]
        for days in (84, 364):
            values[f"{kind}_count_{days}d"] = _counted(some, cutoff - days, cutoff)
    campaigns, clicks = rows[rows["kind"] == "campaign"], rows[rows["kind"] == "click"]
    values["campaign_count_182d"] = _counted(campaigns, cutoff - 182, cutoff)
    values["click_count_182d"] = _counted(clicks, cutoff - 182, cutoff)
    sent = _counted(campaigns, cutoff - 364, cutoff)
    clicked = _counted(clicks, cutoff - 364, cutoff).reindex(sent.index).fillna(0)
    values["campaign_response_364d"] = clicked / sent
    return values


def _counted(rows: pd.DataFrame, start: int, end: int) -> pd.Series:
    inside = rows[(rows["day"] > start) & (rows["day"] <= end)]
    return inside.groupby("customer_id", observed=True).size()


if __name__ == "__main__":
    compute(task())
