"""Pareto/NBD against its published form, and the published fits on CDNOW."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import gammaln, hyp2f1

from training.purchase import MAXIMUM_LIKELIHOOD, BgNbd, GammaGamma, ParetoNbd
from training.purchase.paretonbd import log_comes_first
from training.purchase.posterior import Histories


def published_log_likelihood(m: ParetoNbd, x: float, t_x: float, T: float) -> float:
    """Return Fader & Hardie 2005, eqs. 18 to 20: two forms, each a difference of two 2F1."""
    r, alpha, s, beta = m.r, m.alpha, m.s, m.beta
    low, second = (beta, s + 1) if alpha >= beta else (alpha, r + x)
    high, power = max(alpha, beta), r + s + x

    def term(t: float) -> float:
        z = (high - low) / (high + t)
        return float(hyp2f1(power, second, power + 1, z)) / (high + t) ** power

    stays = (alpha + T) ** -(r + x) * (beta + T) ** -s
    both = stays + s / power * (term(t_x) - term(T))
    return gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta) + np.log(both)


@pytest.mark.parametrize("model", [ParetoNbd(0.55, 10.6, 0.6, 11.7), ParetoNbd(0.8, 15, 0.4, 3)])
@pytest.mark.parametrize("history", [(0.0, 0.0, 39.0), (1.0, 3.0, 30.0), (7.0, 35.0, 36.0)])
def test_the_integral_is_the_published_likelihood(model, history):
    ours = ParetoNbd.objective(
        Histories(*(np.array([v]) for v in history), np.ones(1, dtype=np.int64)),
        np.zeros(4),
        MAXIMUM_LIKELIHOOD,
    )(np.log(list(model.to_dict().values())))[0]
    assert -ours == pytest.approx(published_log_likelihood(model, *history), rel=1e-9)


@pytest.mark.parametrize("s", [0.02, 0.6, 1.0, 8.0])
@pytest.mark.parametrize(("A", "B"), [(0.5, 300.0), (40.0, 0.01), (700.0, 650.0)])
@pytest.mark.parametrize("bought", [0.05, 3.0, 400.0])
def test_the_chance_to_come_first_agrees_with_adaptive_integration(s, A, B, bought):
    def density(d: float) -> float:
        return s / B * (1 + d / B) ** -(s + 1) * (1 + d / A) ** -bought

    breaks = np.concatenate([[0.0], np.geomspace(1e-5, 60.0, 40)])
    true = sum(quad(density, *ends)[0] for ends in itertools.pairwise(breaks))
    ours = log_comes_first(s, np.array([B]), bought, np.array([A]), 60.0)
    assert ours[0] == pytest.approx(np.log(true), abs=1e-7)


def test_either_event_or_neither_happens():
    A, B, s, p = np.array([5.0, 90.0]), np.array([2.0, 400.0]), 0.6, np.array([2.5, 60.0])
    leaves = log_comes_first(s, B, p, A, 13.0)
    buys = log_comes_first(p, A, s, B, 13.0)
    neither = (1 + 13.0 / A) ** -p * (1 + 13.0 / B) ** -s
    assert np.exp(leaves) + np.exp(buys) + neither == pytest.approx(1.0, abs=1e-12)


def test_the_published_division_by_s_less_1_is_passed_smoothly():
    row = (np.array([3.0]), np.array([100.0]), np.array([200.0]))
    below, at, above = (
        ParetoNbd(0.6, 5.0, s, 9.0).expected_purchases(90, *row)[0] for s in (1 - 1e-7, 1, 1 + 1e-7)
    )
    assert below == pytest.approx(at, rel=1e-6)
    assert above == pytest.approx(at, rel=1e-6)


@pytest.fixture(scope="module")
def cdnow(echelon_data):
    lines = pd.read_parquet(echelon_data / "cdnow_sample.parquet")
    lines["date"] = pd.to_datetime(lines.date.astype(str))
    days = lines.groupby(["sample_id", "date"], as_index=False).amount.sum()
    return days[days.date <= "1997-09-30"]


@pytest.mark.data
def test_bg_nbd_and_pareto_nbd_have_their_published_parameters_on_cdnow(cdnow):
    dates = cdnow.groupby("sample_id").date
    first, last = dates.min(), dates.max()
    cutoff = pd.Timestamp("1997-09-30")
    rows = (dates.size() - 1, (last - first).dt.days, (cutoff - first).dt.days)
    rows = [column.to_numpy(dtype=float) for column in rows]
    easy = BgNbd.fit(*rows, search=MAXIMUM_LIKELIHOOD)
    assert list(easy.to_dict().values()) == pytest.approx(
        [0.2426, 4.4136, 0.7929, 2.4259], abs=5e-4
    )
    pareto = ParetoNbd.fit(*rows, search=MAXIMUM_LIKELIHOOD)
    assert list(pareto.to_dict().values()) == pytest.approx(
        [0.553, 10.578, 0.606, 11.669], abs=1e-3
    )


@pytest.mark.data
def test_gamma_gamma_has_its_published_parameters_on_cdnow(cdnow):
    repeat = cdnow[cdnow.groupby("sample_id").date.rank() > 1].groupby("sample_id").amount
    fitted = GammaGamma.fit(
        repeat.size().to_numpy(dtype=float), repeat.mean().to_numpy(), search=MAXIMUM_LIKELIHOOD
    )
    assert [fitted.p, fitted.q, fitted.gamma] == pytest.approx([6.25, 3.74, 15.44], rel=0.01)
