"""Fits one model with `lifetimes`: run by an interpreter that has it, needs nothing of Echelon.

    python lifetimes_peer.py KIND COLUMNS.npz

Times go in as weeks, as its documentation does, with no penalty; a failed fit is tried again with
the penalty it recommends. What its users take for churn is 1 − P(alive). JSON goes to standard
output.
"""

import json
import sys
import time

import numpy as np
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

FITTERS = {
    "bg_nbd": BetaGeoFitter,
    "mbg_nbd": ModifiedBetaGeoFitter,
    "pareto_nbd": ParetoNBDFitter,
    "gamma_gamma": GammaGammaFitter,
}
NAMES = {"v": "gamma"}
PENALTIES = (0.0, 0.001, 0.01)


def fitted(kind, columns):
    for penalty in PENALTIES:
        try:
            return FITTERS[kind](penalizer_coef=penalty).fit(*columns), penalty
        except Exception as error:  # noqa: BLE001 - it raises its own and numpy's
            failure = error
    raise failure


def main(kind, path):
    given = np.load(path)
    x, money = given["frequency"], (given["frequency"] + 1.0, given["spend"])
    times = given["recency"] / 7.0, given["tenure"] / 7.0
    paid = money[1] > 0
    money_fit = tuple(column[paid] for column in money)
    columns = money_fit if kind == "gamma_gamma" else (x, *times)
    began = time.perf_counter()
    model, penalty = fitted(kind, columns)
    answer = {"seconds": time.perf_counter() - began, "penalty": penalty}
    answer["parameters"] = {NAMES.get(k, k): float(v) for k, v in model.params_.items()}
    if kind != "gamma_gamma":
        weeks = float(given["horizon_days"]) / 7.0
        ask = model.conditional_expected_number_of_purchases_up_to_time
        expected = np.asarray(ask(weeks, x, *times))
        spend, _ = fitted("gamma_gamma", money_fit)
        mean = np.asarray(spend.conditional_expected_average_profit(*money))
        answer |= {"expected": expected.tolist(), "value": (expected * mean).tolist()}
        alive = model.conditional_probability_alive(x, *times)
        answer["inactive"] = (1.0 - np.asarray(alive)).tolist()
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
