"""Published contributions in the form that ``shap`` draws: for the data scientist's notebook.

They are the product's own exact contributions on the scale that people see, not values computed
by ``shap``: base plus points is the number published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from configs.schema import Config
from configs.section import Language
from serving.endpoint.served import open_served
from serving.scores.publication import open_live
from training.anchor import TargetName

if TYPE_CHECKING:
    from shap import Explanation

CUSTOMERS = 1_000


def shap_view(
    config: Config, target: TargetName, language: Language, first: str | None = None
) -> Explanation:
    """Return the contributions of some published customers for ``shap.plots``.

    Args:
        config: names the store.
        target: ``churn`` in percentage points, ``clv`` in money.
        language: of the features' names.
        first: a customer to stand first, before up to 1,000 drawn evenly.

    Returns:
        ``values`` of shape (n_customers, n_inputs); ``base_values`` plus their sum is the number
        published, and ``data`` are the features themselves.

    Raises:
        PublicationError: nothing is published.
        ModelError: the models that made the publication cannot be used.
    """
    from shap import Explanation

    live = open_live(config.stores.publications)
    reasoner = open_served(config, live.folder).reasoner
    scores, matrix = live.scores(), live.features()
    places = np.linspace(0, len(scores) - 1, min(CUSTOMERS, len(scores))).astype(np.int64)
    if first is not None:
        ids = scores["customer_id"].to_pylist()
        places = np.concatenate([[ids.index(first)], places])
    scores, matrix = scores.take(places), matrix.take(places)
    columns = reasoner.scorer.columns(matrix)
    split = reasoner.breakdown(target, columns, scores)
    labels = {one.name: one.label[language] for one in reasoner.scorer.bundle.features}
    return Explanation(
        values=split.points.T,
        base_values=np.full(len(places), split.base),
        data=np.column_stack([columns[name] for name in split.inputs]),
        feature_names=[labels[name] for name in split.inputs],
    )
