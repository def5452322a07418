"""How pleased a text sounds, learnt from the company's own rated comments.

Texts become hashed counts of one to three neighbouring characters, so Chinese, English and any
mixture need neither dictionary nor tokenizer, and nothing is downloaded. A regularised logistic
regression tells texts of high ratings from texts of low ones. Each rated comment counts as
``level`` of a pleased text and ``1 - level`` of a displeased one, and both kinds weigh the same in
all: where 96 of 100 ratings are the best there is, the other four still decide.

Time is cut into blocks of 91 days from 1970-01-01. A text known on a day is scored by a model that
learnt only from comments known before the first day of that day's block. Nothing that becomes
known later can change the sentiment of an earlier text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix, vstack
from scipy.special import expit

from configs.errors import ModelError
from features.ngrams import hashed_counts
from features.raw.vocabulary import SCALES

BLOCK_DAYS = 91
FEWEST_COMMENTS = 50
MOST_COMMENTS = 10_000
"""The latest this many rated comments teach a block: more cost time and add nothing."""
N_FEATURES = 2**12
LONGEST_TEXT = 2_000
STRENGTH = 1.0
"""Inverse of the L2 penalty of the logistic regression."""
DECIMALS = 5
"""Weights are rounded to this: short files, and the same on machines that add up differently."""
SIGNALS = {"satisfaction": "comment", "interactions": "text"}
"""Tables that get a column ``sentiment``, and the text column that it is of."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Block:
    """What was learnt by the start of a block: ``sentiment = expit(x @ weights + intercept)``."""

    first_day: int
    intercept: float
    weights: Floats


class SentimentModel:
    """A model per block of days, fitted by :meth:`fit`.

    Attributes:
        blocks_: models by first day, ascending. A block in which nothing new was learnt has none
            and uses the one before.
    """

    def __init__(self) -> None:
        self.blocks_: tuple[Block, ...] = ()

    def fit(self, comments: pa.Table) -> SentimentModel:
        """Return the model learnt from ``comments``, rows of the satisfaction table.

        Args:
            comments: with ``comment, score, scale_min, scale_max, instrument, known_day``; rows
                without comment or score are left out. The order of rows does not matter.
        """
        rated = _rated(comments)
        X = _counts(rated["comment"].to_pylist())
        level = rated["level"].to_numpy()
        days = rated["known_day"].to_numpy()
        blocks = (_learn(X, level, days, first_day) for first_day in _starts(days))
        self.blocks_ = tuple(block for block in blocks if block is not None)
        return self

    def score(self, texts: Sequence[str | None], days: Sequence[int] | Ints) -> Floats:
        """Return the sentiment of each text, known on each day.

        Returns:
            shape (n_texts,), 0 displeased … 1 pleased; NaN for an empty text, or where too little
            had been learnt by then.
        """
        sentiment = np.full(len(texts), np.nan)
        starts = np.array([block.first_day for block in self.blocks_], dtype=np.int64)
        day = np.asarray(days, dtype=np.int64)
        chosen = np.searchsorted(starts, day // BLOCK_DAYS * BLOCK_DAYS, side="right") - 1
        said = np.array([(text or "").strip() for text in texts], dtype=object)
        chosen[said == ""] = -1
        for number in np.unique(chosen[chosen >= 0]):
            rows = np.flatnonzero(chosen == number)
            sentiment[rows] = _sentiment(said[rows], self.blocks_[number])
        return sentiment

    def to_json(self) -> str:
        """Return the fitted model as JSON; :meth:`from_json` gives back the very same numbers."""
        blocks = [
            {
                "first_day": block.first_day,
                "intercept": block.intercept,
                "weights": base64.b64encode(_packed(block.weights)).decode("ascii"),
            }
            for block in self.blocks_
        ]
        form = {"block_days": BLOCK_DAYS, "features": N_FEATURES, "decimals": DECIMALS}
        return json.dumps({**form, "blocks": blocks})

    @classmethod
    def from_json(cls, text: str) -> SentimentModel:
        """Return the model that :meth:`to_json` wrote.

        Raises:
            ModelError: the text is no sentiment model, or one of another form.
        """
        model = cls()
        try:
            content = json.loads(text)
            form = (content["block_days"], content["features"], content["decimals"])
            if form != (BLOCK_DAYS, N_FEATURES, DECIMALS):
                raise ValueError(f"its form is {form}, not {(BLOCK_DAYS, N_FEATURES, DECIMALS)}")
            model.blocks_ = tuple(_block(**block) for block in content["blocks"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the sentiment model cannot be read: {error}; train again") from error
        return model


def with_sentiment(
    tables: Mapping[str, pa.Table], model: SentimentModel | None
) -> dict[str, pa.Table]:
    """Return ``tables`` with a column ``sentiment`` in satisfaction and interactions.

    It is null where there is no text, where too little had been learnt by the day the text was
    known, and everywhere without a model. Other tables are returned as they are.
    """
    return {
        name: _with_column(table, SIGNALS[name], model) if name in SIGNALS else table
        for name, table in tables.items()
    }


def _with_column(table: pa.Table, text: str, model: SentimentModel | None) -> pa.Table:
    values = pa.nulls(table.num_rows, pa.float64())
    if model is not None and text in table.column_names:
        written = table.column(text).to_pylist()
        scored = model.score(written, table.column("known_day").to_numpy())
        values = pa.array(scored, pa.float64(), from_pandas=True)
    kept = table.drop_columns(["sentiment"]) if "sentiment" in table.column_names else table
    return kept.append_column("sentiment", values)


def _rated(comments: pa.Table) -> pa.Table:
    """Return ``comment, known_day, level`` of rated comments, in an order all their own."""
    table = comments.append_column("level", pa.array(_levels(comments), from_pandas=True))
    table = table.select(["comment", "known_day", "level"])
    said = pc.not_equal(pc.utf8_trim_whitespace(table["comment"]), "")
    table = table.filter(pc.and_(said, pc.is_valid(table["level"])))
    return table.sort_by([(name, "ascending") for name in ("known_day", "comment", "level")])


def _levels(comments: pa.Table) -> Floats:
    """Return scores on a scale of 0 (worst) to 1 (best), NaN where there is none."""
    usual = [SCALES.get(name, SCALES["csat"]) for name in comments["instrument"].to_pylist()]
    bounds = np.array(usual, dtype=np.float64).reshape(-1, 2)
    low, high = (
        np.where(np.isnan(given), bounds[:, side], given)
        for side, given in enumerate(
            _numbers(comments, name) for name in ("scale_min", "scale_max")
        )
    )
    span = np.where(high > low, high - low, np.nan)
    return np.clip((_numbers(comments, "score") - low) / span, 0.0, 1.0)


def _numbers(table: pa.Table, name: str) -> Floats:
    column = table.column(name).cast(pa.float64())
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), dtype=np.float64)


def _counts(texts: Sequence[str]) -> csr_matrix:
    """Return hashed counts of 1 to 3 neighbouring characters, each row of length 1."""
    return hashed_counts([text[:LONGEST_TEXT] for text in texts], N_FEATURES)


def _starts(days: Ints) -> list[int]:
    """Return the first days of blocks before which something new was learnt."""
    return [int(block + 1) * BLOCK_DAYS for block in np.unique(days // BLOCK_DAYS)]


def _learn(X: csr_matrix, level: Floats, days: Ints, first_day: int) -> Block | None:
    """Return what the comments known before ``first_day`` teach, ``None`` if they are too few."""
    from sklearn.linear_model import LogisticRegression

    end = int(np.searchsorted(days, first_day))
    rows = slice(max(0, end - MOST_COMMENTS), end)
    pleased, displeased = level[rows], 1.0 - level[rows]
    if end < FEWEST_COMMENTS or not (pleased.sum() and displeased.sum()):
        return None
    n_rows = end - rows.start
    weight = np.concatenate([pleased / pleased.sum(), displeased / displeased.sum()]) * n_rows / 2
    model = LogisticRegression(C=STRENGTH, max_iter=1000, tol=1e-4)
    counted = weight > 0
    label = np.repeat([1, 0], n_rows)
    model.fit(vstack([X[rows], X[rows]])[counted], label[counted], weight[counted])
    return Block(
        first_day,
        round(float(model.intercept_[0]), DECIMALS),
        np.round(model.coef_[0].astype(np.float64), DECIMALS),
    )


def _sentiment(texts: np.ndarray[Any, Any], block: Block) -> Floats:
    distinct, place = np.unique(texts, return_inverse=True)
    link = _counts(distinct.tolist()) @ block.weights + block.intercept
    return np.asarray(expit(link), dtype=np.float64)[place]


def _packed(weights: Floats) -> bytes:
    """Return weights as whole multiples of the last decimal, four bytes each."""
    return np.round(weights * 10**DECIMALS).astype("<i4").tobytes()


def _block(first_day: int, intercept: float, weights: str) -> Block:
    whole = np.frombuffer(base64.b64decode(weights, validate=True), dtype="<i4")
    if len(whole) != N_FEATURES:
        raise ValueError(f"a block has {len(whole)} weights, not {N_FEATURES}")
    return Block(int(first_day), float(intercept), whole / 10.0**DECIMALS)
