"""The purchase models: known parameters come back, forecasts come true, every input is finite."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import hyp2f1

from training.purchase import GammaGamma, MbgNbd, beta_quadrature

TRUE = MbgNbd(r=0.8, alpha=6.0, a=0.6, b=2.5)


def customers(model: MbgNbd, n: int, horizon_weeks: float, seed: int = 1):
    """Simulate frequency, recency, tenure (days) and the purchases of the next weeks."""
    rng = np.random.default_rng(seed)
    rate, leaves = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    tenure = rng.uniform(20, 100, n)
    frequency, recency, later, at = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    alive = rng.uniform(size=n) > leaves
    while alive.any():
        at[alive] += rng.exponential(1 / rate[alive])
        seen = alive & (at <= tenure)
        frequency[seen] += 1
        recency[seen] = at[seen]
        later[alive & (at > tenure) & (at <= tenure + horizon_weeks)] += 1
        alive &= (at <= tenure + horizon_weeks) & (rng.uniform(size=n) > leaves)
    return frequency, recency * 7, tenure * 7, later


@pytest.fixture(scope="module")
def simulated():
    return customers(TRUE, 20_000, horizon_weeks=26)


def test_known_parameters_of_mbg_nbd_come_back(simulated):
    frequency, recency, tenure, _ = simulated
    fitted = MbgNbd.fit(frequency, recency, tenure)
    for name, true in TRUE.to_dict().items():
        assert getattr(fitted, name) == pytest.approx(true, rel=0.2), name


def test_known_parameters_of_gamma_gamma_come_back():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 12, 40_000).astype(float)
    mean_spend = rng.gamma(3.0 * x, 1.0) / (x * rng.gamma(4.0, 1 / 50.0, len(x)))
    fitted = GammaGamma.fit(x, mean_spend)
    assert [fitted.p, fitted.q, fitted.gamma] == pytest.approx([3.0, 4.0, 50.0], rel=0.1)


def test_forecasts_come_true_in_every_fifth_of_customers(simulated):
    frequency, recency, tenure, later = simulated
    none = TRUE.probability_of_none(182, frequency, recency, tenure)
    expected = TRUE.expected_purchases(182, frequency, recency, tenure)
    for fifth in np.array_split(np.argsort(none), 5):
        assert none[fifth].mean() == pytest.approx((later[fifth] == 0).mean(), abs=0.015)
        assert expected[fifth].mean() == pytest.approx(later[fifth].mean(), rel=0.1, abs=0.02)


def test_expected_purchases_equal_the_published_closed_form():
    x, t_x, T, weeks = np.array([0.0, 1, 7, 40]), np.array([0.0, 9, 30, 50]), 52.0, 26.0
    m = MbgNbd(r=0.6, alpha=5.0, a=1.7, b=2.2)
    z = weeks / (m.alpha + T + weeks)
    series = hyp2f1(m.r + x, m.b + x + 1, m.a + m.b + x, z) * (1 - z) ** (m.r + x)
    if_alive = (m.a + m.b + x) / (m.a - 1) * (1 - series)
    alive = 1 / (1 + m.a / (m.b + x) * ((m.alpha + T) / (m.alpha + t_x)) ** (m.r + x))
    computed = m.expected_purchases(weeks * 7, x, t_x * 7, np.full(4, T * 7))
    assert computed == pytest.approx(if_alive * alive, rel=1e-9)


def test_the_singular_point_of_the_closed_form_is_passed_smoothly():
    row = (np.array([3.0]), np.array([100.0]), np.array([200.0]))
    below, at, above = (
        MbgNbd(0.6, 5.0, a, 2.2).expected_purchases(90, *row)[0] for a in (1 - 1e-7, 1, 1 + 1e-7)
    )
    assert below == pytest.approx(at, rel=1e-6)
    assert above == pytest.approx(at, rel=1e-6)


def test_quadrature_gives_the_moments_of_the_beta_distribution():
    nodes, weights = beta_quadrature(0.3, 150.0)
    assert weights.sum() == pytest.approx(1.0)
    assert nodes @ weights == pytest.approx(0.3 / 150.3)
    assert nodes**2 @ weights == pytest.approx(0.3 * 1.3 / (150.3 * 151.3))


def test_a_longer_horizon_holds_more_purchases_and_less_silence(simulated):
    rows = [column[:500] for column in simulated[:3]]
    expected = np.array([TRUE.expected_purchases(days, *rows) for days in (1, 30, 182, 1460)])
    none = np.array([TRUE.probability_of_none(days, *rows) for days in (1, 30, 182, 1460)])
    assert (np.diff(expected, axis=0) > 0).all()
    assert (np.diff(none, axis=0) < 0).all()
    assert ((none > 0) & (none < 1)).all()


def test_one_time_buyers_are_not_taken_for_alive_forever():
    fresh, silent = TRUE.probability_of_none(90, np.zeros(2), np.zeros(2), np.array([10.0, 700.0]))
    assert silent > fresh + 0.1


@pytest.mark.parametrize(
    ("frequency", "recency", "tenure"),
    [
        ([0] * 30, [0] * 30, list(range(30))),
        ([150] * 30, [300] * 30, [301] * 30),
        ([0], [0], [0]),
        ([], [], []),
        ([0, 400], [0, 5], [10, 5]),
    ],
    ids=["one-time buyers", "a hundred and fifty purchases", "one today", "nobody", "extremes"],
)
def test_every_input_gives_finite_parameters_and_forecasts(frequency, recency, tenure):
    rows = [np.array(column, dtype=float) for column in (frequency, recency, tenure)]
    fitted = MbgNbd.fit(*rows)
    values = [*fitted.to_dict().values(), *fitted.expected_purchases(365, *rows)]
    assert np.isfinite([*values, *fitted.probability_of_none(365, *rows)]).all()


@pytest.mark.parametrize("spend", [[], [0.0, 0.0], [1.0] * 30, [-5.0, 1e9], [np.nan, 3.0]])
def test_every_spend_gives_finite_parameters(spend):
    z = np.array(spend)
    fitted = GammaGamma.fit(np.ones(len(z)), z)
    assert np.isfinite(list(fitted.to_dict().values())).all()
    assert (fitted.expected_spend(np.ones(1), np.array([-2.0])) >= 0).all()


def test_expected_spend_lies_between_the_own_mean_and_that_of_all():
    model = GammaGamma(p=3.0, q=4.0, gamma=50.0)
    everyone = 50.0 * 3.0 / 3.0
    few, many = model.expected_spend(np.array([1.0, 50.0]), np.array([200.0, 200.0]))
    assert everyone < few < many < 200.0


def test_the_order_of_customers_changes_nothing():
    frequency, recency, tenure, _ = customers(TRUE, 200, horizon_weeks=1)
    rows = np.random.default_rng(4).permutation(200)
    assert MbgNbd.fit(frequency, recency, tenure) == MbgNbd.fit(
        frequency[rows], recency[rows], tenure[rows]
    )


def test_parameters_survive_json(simulated):
    assert MbgNbd.from_dict(TRUE.to_dict()) == TRUE
    money = GammaGamma(1.5, 2.5, 30.0)
    assert GammaGamma.from_dict(money.to_dict()) == money
