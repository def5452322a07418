"""The work on one batch of customers: their scores, then their reasons and answers.

Each step reads a batch's rows from files and leaves a part in the draft, so any process may do any
batch, in any order, and the parts are the same to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving.scores.answer_texts import as_array
from serving.scores.answers import answer_texts
from serving.scores.draft import Draft
from serving.scores.job import Job
from serving.scores.matrix_file import MatrixFile
from serving.scores.population import Population
from serving.scores.reasons import Reasoner
from serving.scores.scorer import PREVIOUS, Scorer, previous_of

SCORES, REASONS, ANSWERS, POPULATION = "scores", "reasons", "answers", "population"
"""Kinds of parts. Scores lack their percentiles, which are known when all are there."""


@dataclass(frozen=True)
class Work:
    """What every batch of one publication needs; can be sent to another process.

    Attributes:
        job: models and terms.
        matrix: features of all customers.
        previous: the scores file of the publication before; ``None`` without one.
        draft: where parts go.
        rows_at_once: customers of a batch.
    """

    job: Job
    matrix: MatrixFile
    previous: Path | None
    draft: Draft
    rows_at_once: int

    @property
    def batches(self) -> range:
        """Numbers of the batches."""
        return range(-(-len(self.matrix) // self.rows_at_once))

    def rows(self, number: int) -> pa.Table:
        """Return the features of a batch."""
        return self.matrix.rows(number * self.rows_at_once, self.rows_at_once)

    def placed(self, number: int) -> pa.Table:
        """Return the scores of a batch, percentiles included."""
        return self.population.placed(pq.read_table(self.draft.part(SCORES, number)))

    def past(self, matrix: pa.Table) -> pa.Table | None:
        """Return what the publication before says of customers between the first and the last."""
        if self.previous is None:
            return None
        between = pc.min_max(matrix["customer_id"])
        wanted = (pc.field("customer_id") >= between["min"]) & (
            pc.field("customer_id") <= between["max"]
        )
        return previous_of(pq.read_table(self.previous, columns=PREVIOUS.names, filters=wanted))

    @cached_property
    def scorer(self) -> Scorer:
        """Scores without percentiles."""
        return Scorer(self.job.bundle, self.job.config.lifecycle)

    @cached_property
    def reasoner(self) -> Reasoner:
        """Gives reasons beside the medians of all."""
        job = self.job
        scorer = Scorer(job.bundle, job.config.lifecycle, self.population)
        return Reasoner(scorer, job.terms.currency, job.units, job.config.serving.reasons)

    @cached_property
    def population(self) -> Population:
        """The population, once it is in the draft."""
        return Population.model_validate_json(self.draft.part(POPULATION).read_bytes())

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes alone: what is made of them is made anew."""
        return {name: self.__dict__[name] for name in self.__dataclass_fields__}


def score_batch(work: Work, number: int) -> None:
    """Leave the scores of a batch in the draft."""
    matrix = work.rows(number)
    scores = work.scorer.score(matrix, work.past(matrix))
    with work.draft.adding(SCORES, number) as path:
        pq.write_table(scores, path, compression="zstd", use_dictionary=False)


def explain_batch(work: Work, number: int) -> None:
    """Leave the reasons and the answers of a batch in the draft."""
    scores = work.placed(number)
    reasons = work.reasoner.reasons(work.rows(number), scores)
    with work.draft.adding(REASONS, number) as path:
        pq.write_table(reasons, path, compression="zstd")
    texts = as_array(answer_texts(scores, reasons, work.job.terms))
    table = pa.table({"customer_id": scores["customer_id"], "answer": texts})
    with work.draft.adding(ANSWERS, number) as path:
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
