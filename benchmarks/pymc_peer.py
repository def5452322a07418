"""Fits one model with PyMC-Marketing by MAP: run by an interpreter that has it.

    python pymc_peer.py KIND COLUMNS.npz

Needs nothing of Echelon. Default priors, times in weeks as its documentation has them. JSON goes
to standard output.
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

from pymc_marketing import clv  # noqa: E402 - it warns while it is imported

MODELS = {"bg_nbd": clv.BetaGeoModel, "pareto_nbd": clv.ParetoNBDModel}


def customers(given):
    """Return what both models read; Gamma-Gamma counts the first purchase too, as ours does."""
    return pd.DataFrame(
        {
            "customer_id": np.arange(len(given["frequency"])),
            "frequency": given["frequency"],
            "recency": given["recency"] / 7.0,
            "T": given["tenure"] / 7.0,
            "monetary_value": given["spend"],
        }
    )


def fitted(model):
    model.fit(method="map", progressbar=False)
    return model


def inactive(kind, model, rows, weeks):
    """Return P(X(H) = 0)."""
    if kind == "pareto_nbd":
        return model.expected_purchase_probability(rows, n_purchases=0, future_t=weeks)
    return model.expected_probability_no_purchase(data=rows, t=weeks)


def mean_spend(rows):
    spend = rows.assign(frequency=rows.frequency + 1.0)
    model = fitted(clv.GammaGammaModel(data=spend[spend.monetary_value > 0]))
    return flat(model.expected_customer_spend(data=spend))


def flat(values):
    return np.asarray(values.mean(("chain", "draw")))


def main(kind, path):
    given = np.load(path)
    rows, weeks = customers(given), float(given["horizon_days"]) / 7.0
    began = time.perf_counter()
    model = fitted(MODELS[kind](data=rows.drop(columns="monetary_value")))
    seconds = time.perf_counter() - began
    expected = flat(model.expected_purchases(data=rows, future_t=weeks))
    answer = {
        "seconds": seconds,
        "expected": expected.tolist(),
        "value": (expected * mean_spend(rows)).tolist(),
        "inactive": flat(inactive(kind, model, rows, weeks)).tolist(),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
