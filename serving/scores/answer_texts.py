"""The JSON answers about customers as text: columns are written once, then put together row by row.

Text is the only shape there is; who wants values reads them of it. Made of dictionaries, a million
answers took a quarter of the time of a publication.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator
from itertools import islice
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.scores.wording import tier_sentence
from training.policy import Policy

Written = list[str]
"""The values of a column as JSON, ``null`` included."""
NULL = "null"
FEW = 64
"""Values up to which each is written by itself, sooner than Arrow finds those that are equal."""
TIER_SENTENCE = ("clv_expected", "tier_guard", "tier_rises_at", "tier_falls_below", "tier_held")
"""Columns of the scores that the sentence about a tier is made of."""


def written(column: pa.ChunkedArray) -> Written:
    """Return each value as JSON; of many, equal values are written once.

    Raises:
        ValueError: a number is not finite, which JSON does not know.

    >>> written(pa.chunked_array([[0.1, None, 0.1]])), written(pa.chunked_array([["小\\n", '"']]))
    (['0.1', 'null', '0.1'], ['"小\\\\n"', '"\\\\""'])
    """
    form = _form(column.type)
    if len(column) <= FEW:
        return [NULL if one is None else form(one) for one in column.to_pylist()]
    coded = column.combine_chunks().dictionary_encode()
    texts = np.array([*map(form, coded.dictionary.to_pylist()), NULL], dtype=object)
    return list(texts[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _form(type: pa.DataType) -> Callable[[Any], str]:
    if pa.types.is_floating(type):
        return _number
    if pa.types.is_string(type):
        return encode_basestring
    if pa.types.is_boolean(type):
        return lambda value: "true" if value else "false"
    return lambda value: f'"{value.isoformat()}"' if isinstance(value, dt.date) else str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("JSON knows no number that is not finite")
    return float.__repr__(value)


def written_lists(column: pa.ChunkedArray) -> list[Written | None]:
    """Return the values of each list as JSON; ``None`` for a null."""
    flat = iter(written(pa.chunked_array([pc.list_flatten(column.combine_chunks())])))
    sizes = pc.list_value_length(column).to_pylist()
    return [None if n is None else list(islice(flat, n)) for n in sizes]


def by_customer(scores: pa.Table, reasons: pa.Table) -> Iterator[str]:
    """Yield the reasons of each customer of ``scores``, the parts of an array."""
    names = ("concept", "target", "points", "text_zh", "text_en", "actionable", "stable")
    rows = zip(*(written(reasons[name]) for name in names), strict=True)
    texts = (
        f'{{"concept":{concept},"target":{target},"points":{points},"text":{{"zh":{zh},"en":{en}}},'
        f'"actionable":{actionable},"stable":{stable}}}'
        for concept, target, points, zh, en, actionable, stable in rows
    )
    whose = pc.index_in(reasons["customer_id"], scores["customer_id"].combine_chunks())
    counts = np.bincount(whose.to_numpy().astype(np.int64), minlength=len(scores))
    return (",".join(islice(texts, n)) for n in counts.tolist())


def churns(scores: pa.Table, horizon_days: int) -> Iterator[str]:
    """Yield what is said of each customer's churn."""
    percentiles = pc.cast(scores["churn_percentile"], pa.int64(), safe=False)
    columns = [
        written(scores["churn_probability"]),
        written(scores["churn_base"]),
        written(percentiles),
        written(scores["churn_band"]),
        written(scores["churn_trend"]),
    ]
    for probability, base, percentile, band, trend in zip(*columns, strict=True):
        yield (
            NULL
            if probability == NULL
            else (
                f'{{"probability":{probability},"base":{base},"horizon_days":{horizon_days},'
                f'"percentile":{percentile},"band":{band},"trend":{trend}}}'
            )
        )


def values(scores: pa.Table, currency: str, horizon_days: int, level: float) -> Iterator[str]:
    """Yield what is said of the money that each customer is expected to bring."""
    names = ("expected", "base", "median", "low", "high")
    head = f'{{"currency":{encode_basestring(currency)},"horizon_days":{horizon_days},'
    columns = (written(scores[f"clv_{name}"]) for name in names)
    for expected, base, median, low, high in zip(*columns, strict=True):
        between = f'{{"level":{level!r},"low":{low},"high":{high}}}' if low != NULL else NULL
        yield (
            NULL
            if expected == NULL
            else (
                f'{head}"expected":{expected},"base":{base},"median":{median},"interval":{between}}}'
            )
        )


def tiers(scores: pa.Table, policy: Policy, currency: str) -> Iterator[str]:
    """Yield what is said of each customer's tier."""
    names = {tier.code: _json(tier.name.model_dump()) for tier in policy.tiers}
    keys = [_json(code) for code in names]
    guards = [_json(guard.name.model_dump()) for guard in policy.guards]
    told = zip(*(scores[name].to_pylist() for name in TIER_SENTENCE), strict=True)
    columns = (
        scores["tier"].to_pylist(),
        scores["tier_guard"].to_pylist(),
        *(written(scores[name]) for name in ("tier_held", "tier_since", "previous_tier")),
        *(written(scores[name]) for name in ("tier_falls_below", "tier_rises_at")),
        written_lists(scores["tier_outlook"]),
        told,
    )
    for tier, guard, held, since, previous, falls, rises, outlook, facts in zip(
        *columns, strict=True
    ):
        if tier is None:
            yield NULL
            continue
        zh, en = tier_sentence(dict(zip(TIER_SENTENCE, facts, strict=True)), policy, currency)
        yield (
            f'{{"code":{_json(tier)},"name":{names[tier]},"held_by_hysteresis":{held},'
            f'"since":{since},"previous":{previous},'
            f'"guard":{NULL if guard is None else guards[guard]},'
            f'"falls_below":{falls},"rises_at":{rises},"outlook":{_object(keys, outlook)},'
            f'"text":{{"zh":{encode_basestring(zh)},"en":{encode_basestring(en)}}}}}'
        )


def _object(keys: Written, values: Written | None) -> str:
    if values is None:
        return NULL
    return "{" + ",".join(map(":".join, zip(keys, values, strict=True))) + "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
