"""How often customers buy again, and for how much.

Every model is fitted by maximum a posteriori in log space: weak priors keep every parameter finite
for every input (one-time buyers only, a hundred purchases, thirty customers). Times go in and out
in days; inside, a week is the unit.
"""

from training.purchase.betageometric import BgNbd, MbgNbd
from training.purchase.gammagamma import GammaGamma
from training.purchase.kinds import (
    DEFAULT_KIND,
    KINDS,
    PurchaseModel,
    described,
    from_description,
)
from training.purchase.paretonbd import ParetoNbd
from training.purchase.posterior import DAYS_PER_WEEK, MAXIMUM_LIKELIHOOD, USUAL, Search
from training.purchase.quadrature import beta_quadrature

__all__ = [
    "DAYS_PER_WEEK",
    "DEFAULT_KIND",
    "KINDS",
    "MAXIMUM_LIKELIHOOD",
    "USUAL",
    "BgNbd",
    "GammaGamma",
    "MbgNbd",
    "ParetoNbd",
    "PurchaseModel",
    "Search",
    "beta_quadrature",
    "described",
    "from_description",
]
