"""The JSON answers about customers as text: columns are written once, then put side by side.

Text is the only shape there is; who wants values reads them of it. Made of dictionaries, a million
answers took a quarter of the time of a publication. Few texts are Python's, many are Arrow's, which
takes longer to begin and a fifth of the time for each.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, cycle, islice
from json.encoder import encode_basestring
from operator import add
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from configs.section import Text
from serving.scores.tier_sentences import tier_sentences
from training.policy import Policy

Written: TypeAlias = list[str | None] | pa.LargeStringArray
"""A column as JSON: a text each, null where the value is."""
NULL = "null"
HERE = "\0"
"""Where a column's text goes in a form; no JSON holds it bare."""
FEW = 64
"""Values up to which each is written by itself, sooner than Arrow begins."""
WRITTEN_ALIKE = 1e-4, 1e10
"""Magnitudes of broken numbers that Arrow writes as Python does: the shortest decimals, plain."""


def written(column: pa.ChunkedArray, missing: str | None = NULL) -> Written:
    """Return each value as JSON, and ``missing`` for a null.

    Raises:
        ValueError: a number is not finite, which JSON does not know.

    >>> written(pa.chunked_array([[0.1, None, 0.1]])), written(pa.chunked_array([["小\\n", '"']]))
    (['0.1', 'null', '0.1'], ['"小\\\\n"', '"\\\\""'])
    """
    if len(column) <= FEW:
        return _each(column.to_pylist(), missing)
    array = column.combine_chunks()
    if pa.types.is_floating(array.type):
        texts = _numbers(array)
    elif pa.types.is_string(array.type):
        texts = _strings(array.cast(pa.large_string()))
    else:
        texts = array.cast(pa.large_string())
        texts = joined(f'"{HERE}"', texts) if pa.types.is_date(array.type) else texts
    return texts if missing is None or texts.null_count == 0 else texts.fill_null(missing)


def _each(values: Iterable[Any], missing: str | None = NULL) -> list[str | None]:
    return [missing if one is None else FORMS[type(one)](one) for one in values]


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("JSON knows no number that is not finite")
    return float.__repr__(value)


FORMS: dict[type, Callable[[Any], str]] = {
    float: _number,
    int: str,
    str: encode_basestring,
    bool: lambda value: "true" if value else "false",
    dt.date: lambda value: f'"{value.isoformat()}"',
}
"""How values of each type are written."""


def _numbers(array: pa.DoubleArray) -> pa.LargeStringArray:
    """Return numbers as Python writes them; Arrow writes whole ones and extremes otherwise."""
    values = array.fill_null(0.5).to_numpy(zero_copy_only=False)
    smallest, largest = WRITTEN_ALIKE
    size = np.abs(values)
    is_alike = (size >= smallest) & (size < largest) & (values != np.floor(values))
    texts = array.cast(pa.large_string())
    if is_alike.all():
        return texts
    others = pa.array([_number(one) for one in values[~is_alike].tolist()], pa.large_string())
    return pc.replace_with_mask(texts, pa.array(~is_alike), others)


def _strings(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return quoted texts; where one of them needs escapes, equal ones are written once."""
    if not _needs_escapes(texts):
        return joined(f'"{HERE}"', texts)
    coded = texts.dictionary_encode()
    quoted = [encode_basestring(one) for one in coded.dictionary.to_pylist()]
    return pa.array(quoted, pa.large_string()).take(coded.indices)


def _needs_escapes(texts: pa.LargeStringArray) -> bool:
    """Return whether a quotation mark, a backslash or a control character is anywhere in them."""
    _, offsets, letters = texts.buffers()
    if letters is None:
        return False
    ends = np.frombuffer(offsets, np.int64)[[texts.offset, texts.offset + len(texts)]]
    own = np.frombuffer(letters, np.uint8)[slice(*ends)]
    return bool(((own < ord(" ")) | (own == ord('"')) | (own == ord("\\"))).any())


def joined(form: str, *columns: Written) -> Written:
    """Return the form filled in row by row, null where a column is.

    Args:
        form: with a ``HERE`` for each of the columns.
        columns: of one length and one kind.

    >>> joined(f"({HERE}:{HERE})", ["a", "b"], ["1", None])
    ['(a:1)', None]
    """
    if isinstance(columns[0], list):
        pattern = form.replace("%", "%%").replace(HERE, "%s")
        return [None if None in row else pattern % row for row in zip(*columns, strict=True)]
    before, *after = (pa.scalar(text, pa.large_string()) for text in form.split(HERE))
    parts = chain.from_iterable(zip(columns, after, strict=True))
    return pc.binary_join_element_wise(before, *parts, pa.scalar("", pa.large_string()))


def or_null(texts: Written) -> Written:
    """Return the texts with ``null`` for those there are not."""
    if isinstance(texts, list):
        return [NULL if one is None else one for one in texts]
    return texts.fill_null(NULL) if texts.null_count else texts


def written_lists(column: pa.ChunkedArray) -> tuple[Written, list[int | None]]:
    """Return the values of all lists as JSON, one after the other, and how many are of each."""
    if len(column) <= FEW:
        lists = column.to_pylist()
        sizes = [None if one is None else len(one) for one in lists]
        return _each(chain.from_iterable(one or () for one in lists)), sizes
    flat = pa.chunked_array([pc.list_flatten(column.combine_chunks())])
    return written(flat), pc.list_value_length(column).to_pylist()


def grouped(texts: Written, sizes: Sequence[int | None]) -> Written:
    """Return the first ``sizes[0]`` of ``texts`` with commas between, then the next; null of none.

    >>> grouped(["a", "b", "c"], [2, 0, None, 1])
    ['a,b', '', None, 'c']
    """
    if len(sizes) <= FEW:
        rest = iter(as_list(texts))
        return [None if size is None else ",".join(islice(rest, size)) for size in sizes]
    counts = np.array([size or 0 for size in sizes])
    ends = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    is_null = pa.array([size is None for size in sizes])
    lists = pa.LargeListArray.from_arrays(ends, as_array(texts), mask=is_null)
    return pc.binary_join(lists, pa.scalar(",", pa.large_string()))


def as_list(texts: Written) -> list[str]:
    """Return texts, none of them null, as Python's."""
    return list(texts if isinstance(texts, list) else texts.to_pylist())


def as_array(texts: Written) -> pa.LargeStringArray:
    """Return texts as Arrow's."""
    return pa.array(texts, pa.large_string()) if isinstance(texts, list) else texts


def by_customer(scores: pa.Table, reasons: pa.Table) -> Written:
    """Return the reasons of each customer of ``scores``, the parts of an array."""
    names = ("concept", "target", "points", "text_zh", "text_en", "actionable", "stable")
    texts = joined(
        f'{{"concept":{HERE},"target":{HERE},"points":{HERE},"text":{{"zh":{HERE},"en":{HERE}}},'
        f'"actionable":{HERE},"stable":{HERE}}}',
        *(written(reasons[name]) for name in names),
    )
    whose = pc.index_in(reasons["customer_id"], scores["customer_id"].combine_chunks())
    counts = np.bincount(whose.to_numpy().astype(np.int64), minlength=len(scores))
    return grouped(texts, counts.tolist())


def churns(scores: pa.Table, horizon_days: int) -> Written:
    """Return what is said of each customer's churn."""
    percentiles = pc.cast(scores["churn_percentile"], pa.int64(), safe=False)
    others = (scores["churn_base"], percentiles, scores["churn_band"], scores["churn_trend"])
    told = joined(
        f'{{"probability":{HERE},"base":{HERE},"horizon_days":{horizon_days},'
        f'"percentile":{HERE},"band":{HERE},"trend":{HERE}}}',
        written(scores["churn_probability"], None),
        *map(written, others),
    )
    return or_null(told)


def values(scores: pa.Table, currency: str, horizon_days: int, level: float) -> Written:
    """Return what is said of the money that each customer is expected to bring."""
    low, expected = (written(scores[name], None) for name in ("clv_low", "clv_expected"))
    base, median, high = (written(scores[f"clv_{name}"]) for name in ("base", "median", "high"))
    between = joined(f'{{"level":{level!r},"low":{HERE},"high":{HERE}}}', low, high)
    told = joined(
        f'{{"currency":{encode_basestring(currency)},"horizon_days":{horizon_days},'
        f'"expected":{HERE},"base":{HERE},"median":{HERE},"interval":{HERE}}}',
        *(expected, base, median, or_null(between)),
    )
    return or_null(told)


def tiers(scores: pa.Table, policy: Policy, currency: str) -> Written:
    """Return what is said of each customer's tier."""
    names = ("tier_held", "tier_since", "previous_tier", "tier_falls_below", "tier_rises_at")
    held, since, previous, falls, rises = (written(scores[name]) for name in names)
    heads = {
        one.code: f'"code":{encode_basestring(one.code)},"name":{_text(one.name)}'
        for one in policy.tiers
    }
    guards = dict(enumerate(_text(one.name) for one in policy.guards))
    told = joined(
        f'{{{HERE},"held_by_hysteresis":{HERE},"since":{HERE},"previous":{HERE},"guard":{HERE},'
        f'"falls_below":{HERE},"rises_at":{HERE},"outlook":{HERE},'
        f'"text":{{"zh":{HERE},"en":{HERE}}}}}',
        _coded(scores["tier"], heads),
        *(held, since, previous, or_null(_coded(scores["tier_guard"], guards)), falls, rises),
        _objects(list(heads), scores["tier_outlook"]),
        *(_quoted(one) for one in tier_sentences(scores, policy, currency)),
    )
    return or_null(told)


def _coded(column: pa.ChunkedArray, texts: Mapping[Any, str]) -> Written:
    """Return the text of each code, null where there is none."""
    if len(column) <= FEW:
        return [None if one is None else texts[one] for one in column.to_pylist()]
    places = pc.index_in(column.combine_chunks(), pa.array(texts, column.type))
    return pa.array(texts.values(), pa.large_string()).take(places)


def _quoted(texts: list[str]) -> Written:
    if len(texts) <= FEW:
        return _each(texts)
    return _strings(pa.array(texts, pa.large_string()))


def _objects(keys: Sequence[str], column: pa.ChunkedArray) -> Written:
    """Return lists of a value for each of ``keys`` as objects."""
    found, sizes = written_lists(column)
    names = [f"{encode_basestring(key)}:" for key in keys]
    if isinstance(found, list):
        pairs: Written = list(map(add, cycle(names), found))
    else:
        places = pa.array(np.arange(len(found)) % len(keys))
        pairs = joined(f"{HERE}{HERE}", as_array(names).take(places), found)
    return or_null(joined(f"{{{HERE}}}", grouped(pairs, sizes)))


def _text(text: Text) -> str:
    """Return what is said in both languages as an object."""
    return f'{{"zh":{encode_basestring(text.zh)},"en":{encode_basestring(text.en)}}}'
