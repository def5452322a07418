"""The best figures known for each protocol, of any method, as they were published or measured.

Written as text so that a bar keeps its digits: a figure meets ``.630`` if it rounds to it.
"""

from __future__ import annotations

from collections.abc import Mapping

Key = tuple[str, str, str | None]
"""Protocol, data set, cutoff."""

RETAIL, CDNOW = "online_retail_ii", "cdnow_sample"
CUTOFFS = ("2010-12-08", "2011-03-09", "2011-06-09")

BEST_KNOWN: dict[Key, Mapping[str, str]] = {
    ("S1", CDNOW, "1997-09-30"): {
        "transactions r": ".630",
        "transactions nGini": ".673",
        "transactions MAE": ".755",
        "value nGini": ".693",
        "value MAE": "29.2",
        "value RMSE": "72.0",
    },
    ("S2", RETAIL, "2010-12-08"): {
        "value nGini": ".796",
        "value MAE": "698",
        "value |bias|": ".67",
        "inactivity AUC": ".786",
        "inactivity Brier": ".243",
        "inactivity ECE15": ".199",
    },
    ("S2", RETAIL, "2011-03-09"): {
        "value nGini": ".861",
        "value MAE": "536",
        "value |bias|": ".24",
        "inactivity AUC": ".798",
        "inactivity Brier": ".203",
        "inactivity ECE15": ".120",
    },
    ("S2", RETAIL, "2011-06-09"): {
        "value nGini": ".871",
        "value MAE": "554",
        "value RMSE": "2292",
        "value dMAPE": ".129",
        "value |bias|": ".10",
        "inactivity AUC": ".815",
        "inactivity Brier": ".176",
        "inactivity ECE15": ".035",
    },
    ("S3", "telco", None): {"AUC": ".850", "logloss": ".411", "EMPC": "10.41"},
    ("S3", "mlc_churn", None): {"AUC": ".922", "logloss": ".161", "EMPC": "6.42"},
    ("S3", "bankchurners", None): {"AUC": ".994", "logloss": ".074", "EMPC": "8.38"},
    ("S3", "iranian_churn", None): {"AUC": ".989", "logloss": ".099", "EMPC": "8.10"},
    ("S4", "hillstrom", None): {"Qini": ".059", "uplift at 30 %": ".072"},
    ("S5", RETAIL, None): {
        "tiers changed per refresh": ".05",
        "future value in the top tier": ".47",
        "refreshes where value rises with the tier": "1",
        "segments: bootstrap ARI": ".90",
        "segments: tree agreement": ".90",
    },
}

TARGETS: dict[Key, Mapping[str, str]] = {
    **{
        ("S2", RETAIL, cutoff): {"value |bias|": ".10", "inactivity ECE15": ".03"}
        for cutoff in CUTOFFS[:2]
    },
    ("S2", RETAIL, "2011-06-09"): {
        "value |bias|": ".10",
        "inactivity ECE15": ".03",
        "value nGini": ".873",
        "value MAE": "550",
        "inactivity AUC": ".82",
        "inactivity Brier": ".175",
    },
    ("S3", "mlc_churn", None): {"logloss": ".140"},
}
"""What nobody has reached yet, as far as known."""


def digits(bar: str) -> int:
    """Return how many digits after the point a bar is stated with."""
    return len(bar.partition(".")[2])


def meets(figure: float, bar: str, better: str) -> bool:
    """Return whether ``figure``, rounded as the bar is, is at least as good.

    >>> meets(0.6296, ".630", "higher"), meets(72.06, "72.0", "lower")
    (True, False)
    """
    rounded = round(figure, digits(bar))
    return rounded >= float(bar) if better == "higher" else rounded <= float(bar)
