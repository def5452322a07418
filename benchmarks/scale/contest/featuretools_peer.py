"""Those of the features that featuretools can say, with its primitives and training windows.

It knows one time a row, the day something happened: rows recorded later are seen too early, and
values that hang on them differ from ours. Windows that ended earlier, days since, and ratios of two
aggregates are not among its features, so they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import featuretools as ft
import pandas as pd
from featuretools.primitives import Count, NumUnique, Sum

from benchmarks.scale.contest.subset import TABLES, Task, task

COLUMNS = {
    "transactions": ["customer_id", "day", "kind", "order_id", "amount"],
    "interactions": ["customer_id", "day", "kind", "channel"],
}
WINDOWS = (28, 84, 182, 364)
COUNTS = {
    "visit": (84,),
    "enquiry": (84, 364),
    "support": (84, 364),
    "campaign": (182,),
    "click": (182,),
}


def compute(asked: Task) -> None:
    """Write the table: 21 of the features."""
    known = pd.concat(
        pd.read_parquet(asked.records / f"{name}.parquet", columns=["customer_id", "known_day"])
        for name in TABLES
    )
    first = known.groupby("customer_id")["known_day"].min()
    times = pd.concat(
        pd.DataFrame({"customer_id": first.index[first <= day], "time": _moment(day)})
        for day in asked.cutoffs
    )
    entities = _entities(asked, list(first.index))
    matrices = [
        ft.calculate_feature_matrix(
            [feature.rename(name) for name, feature in features],
            entities,
            cutoff_time=times,
            cutoff_time_in_index=True,
            training_window=f"{days} days",
        )
        for days, features in _by_window(entities)
    ]
    matrix = pd.concat(matrices, axis=1).fillna(0).astype("float64").reset_index()
    matrix.insert(1, "cutoff", (matrix.pop("time") - pd.Timestamp(0)).dt.days)
    matrix.sort_values(["cutoff", "customer_id"]).to_parquet(asked.out, index=False)


def _moment(day: int) -> pd.Timestamp:
    return pd.Timestamp(0) + pd.Timedelta(days=day)


def _entities(asked: Task, ids: list[str]) -> Any:
    entities = ft.EntitySet("company")
    customers = pd.DataFrame({"customer_id": ids})
    entities.add_dataframe(customers, dataframe_name="customers", index="customer_id")
    for name, columns in COLUMNS.items():
        rows = pd.read_parquet(asked.records / f"{name}.parquet", columns=columns)
        rows["occurred"] = pd.Timestamp(0) + pd.to_timedelta(rows["day"], unit="D")
        kinds = dict.fromkeys({"kind", "channel", "order_id"} & set(columns), "Categorical")
        entities.add_dataframe(
            rows.assign(day=rows["day"].astype("category"), row=range(len(rows))),
            dataframe_name=name,
            index="row",
            time_index="occurred",
            logical_types=kinds | {"day": "Categorical"},
        )
        entities.add_relationship("customers", "customer_id", name, "customer_id")
    return entities


def _by_window(entities: Any) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Yield the features of each window with our names."""

    def base(table: str, column: str) -> Any:
        return ft.Feature(entities[table].ww[column])

    def reduced(primitive: Any, table: str, column: str, where: Any) -> Any:
        return ft.Feature(
            base(table, column), parent_dataframe_name="customers", primitive=primitive, where=where
        )

    bought = base("transactions", "kind") == "purchase"
    touched = base("interactions", "kind") != "campaign"
    for days in WINDOWS:
        features = [
            (f"order_count_{days}d", reduced(NumUnique, "transactions", "order_id", bought)),
            (f"spend_{days}d", reduced(Sum, "transactions", "amount", bought)),
        ]
        if days != 182:
            touches = reduced(Count, "interactions", "row", touched)
            features.append((f"interaction_count_{days}d", touches))
        for kind, windows in COUNTS.items():
            if days in windows:
                where = base("interactions", "kind") == kind
                counted = reduced(Count, "interactions", "row", where)
                features.append((f"{kind}_count_{days}d", counted))
        if days == 84:
            active = reduced(NumUnique, "interactions", "day", touched)
            features.append(("interaction_day_count_84d", active))
        if days == 364:
            channels = reduced(NumUnique, "interactions", "channel", touched)
            active = reduced(NumUnique, "transactions", "day", bought)
            features += [("channel_count_364d", channels), ("purchase_day_count_364d", active)]
        yield days, features


if __name__ == "__main__":
    compute(task())
