"""The amounts of a policy, found on a publication as training finds them on its customers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from configs.tiers import TierPolicy
from serving.scores.population import Array, column
from serving.scores.publication import FEATURES_FILE, SCORES_FILE, Publication
from serving.scores.scorer import before_of, days_of, tiers_by
from training.anchor import FREQUENCY
from training.policy import Policy, TierAssignment

READ = (
    "customer_id",
    "cutoff",
    "tier",
    "clv_expected",
    "churn_probability",
    "previous_tier",
    "previous_tier_since",
    "previous_churn_probability",
    "previous_clv_expected",
)


@dataclass(frozen=True)
class Basis:
    """What tiers follow from: a publication's customers, whatever the policy.

    Attributes:
        publication: whose customers they are.
        scores: the columns :data:`READ`, in the publication's order.
    """

    publication: Publication
    scores: pa.Table

    @cached_property
    def value(self) -> Array:
        """The expected value of each customer; NaN without a value model."""
        return column(self.scores, "clv_expected")

    @cached_property
    def churn(self) -> Array:
        """The churn probability of each customer; NaN without a churn model."""
        return column(self.scores, "churn_probability")

    @cached_property
    def has_bought(self) -> npt.NDArray[np.bool_]:
        """Who has a purchase; everybody where purchases are not recorded."""
        path = self.publication.folder / FEATURES_FILE
        if FREQUENCY not in pq.read_schema(path).names:
            return np.ones(len(self.scores), dtype=bool)
        return ~np.isnan(self._feature(FREQUENCY))

    @property
    def has_values(self) -> bool:
        """Whether there is anything to give tiers by."""
        return bool(np.isfinite(self.value).any())

    def frozen(self, settings: TierPolicy) -> Policy:
        """Return the policy with its amounts, found on those who have bought.

        Raises:
            TrainingError: nobody has an expected value.
        """
        return Policy.freeze(settings, self.value[self.has_bought])

    def tiers(self, policy: Policy) -> TierAssignment:
        """Return the tiers that a publication of these customers by ``policy`` gives them."""
        columns = {name: self._feature(name) for name in policy.guard_inputs}
        days = days_of(self.scores["cutoff"])
        return tiers_by(policy, self.value, columns, before_of(self.scores), days)

    def _feature(self, name: str) -> Array:
        path = self.publication.folder / FEATURES_FILE
        return column(pq.read_table(path, columns=[name]), name)


def basis_of(publication: Publication) -> Basis:
    """Return what tiers of the customers of ``publication`` follow from."""
    path = publication.folder / SCORES_FILE
    return Basis(publication, pq.read_table(path, columns=list(READ)))
