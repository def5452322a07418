"""Laws that every purchase model obeys: MBG/NBD, BG/NBD and Pareto/NBD."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import chi2

from training.purchase import KINDS, MAXIMUM_LIKELIHOOD, BgNbd, GammaGamma, MbgNbd, ParetoNbd
from training.purchase.posterior import Histories

TRUE = {
    "mbg_nbd": MbgNbd(r=0.8, alpha=6.0, a=0.6, b=2.5),
    "bg_nbd": BgNbd(r=0.8, alpha=6.0, a=0.6, b=2.5),
    "pareto_nbd": ParetoNbd(r=0.8, alpha=6.0, s=0.7, beta=12.0),
}
WEEKS_AHEAD = 26
N = 20_000


def customers(kind: str, n: int = N, seed: int = 3):
    """Play ``n`` lives purchase by purchase; frequency, recency, tenure in days, and later ones."""
    model, rng = TRUE[kind], np.random.default_rng(seed)
    rate, tenure = rng.gamma(model.r, 1 / model.alpha, n), rng.uniform(20, 100, n)
    leaves, dies = np.zeros(n), np.full(n, np.inf)
    if kind == "pareto_nbd":
        dies = rng.exponential(1 / rng.gamma(model.s, 1 / model.beta, n))
    else:
        leaves = rng.beta(model.a, model.b, n)
    frequency, recency, later, at = np.zeros((4, n))
    alive = np.ones(n, dtype=bool) if kind != "mbg_nbd" else rng.uniform(size=n) > leaves
    while alive.any():
        at[alive] += rng.exponential(1 / rate[alive])
        alive &= (at <= dies) & (at <= tenure + WEEKS_AHEAD)
        seen = alive & (at <= tenure)
        frequency[seen] += 1
        recency[seen] = at[seen]
        later[alive & ~seen] += 1
        alive &= rng.uniform(size=n) >= leaves
    return frequency, recency * 7, tenure * 7, later


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    return TRUE[kind]


@pytest.fixture(scope="module")
def played(kind):
    return customers(kind)


def logs(model) -> np.ndarray:
    return np.log(list(model.to_dict().values()))


def likelihood(model, *rows):
    """Return minus the mean log likelihood of the customers ``rows``, with gradient."""
    return type(model).objective(Histories.of(*rows), np.zeros(4), MAXIMUM_LIKELIHOOD)


def distance(objective, estimate, truth, n: int) -> float:
    """Return the squared distance of estimate and truth in standard errors (Wald)."""
    steps = 1e-4 * np.eye(len(truth))
    curvature = [(objective(estimate + h)[1] - objective(estimate - h)[1]) / 2e-4 for h in steps]
    return float((estimate - truth) @ np.array(curvature) @ (estimate - truth)) * n


def test_known_parameters_come_back_within_their_standard_errors(model, played):
    rows = played[:3]
    fitted = type(model).fit(*rows, search=MAXIMUM_LIKELIHOOD)
    off = distance(likelihood(model, *rows), logs(fitted), logs(model), N)
    assert off < chi2.ppf(0.999, df=4)


def test_the_priors_move_the_parameters_by_less_than_a_standard_error(model, played):
    rows = [column[:2_000] for column in played[:3]]
    free = type(model).fit(*rows, search=MAXIMUM_LIKELIHOOD)
    off = distance(likelihood(model, *rows), logs(free), logs(type(model).fit(*rows)), 2_000)
    assert off < 1.0


def test_the_gradient_is_that_of_the_objective(model, played):
    rows = [column[:300] for column in played[:3]]
    objective = type(model).objective(Histories.of(*rows), np.array([0.1, 1.0, -0.5, 0.7]))
    for at in (logs(model), logs(model) + np.array([1.0, -1.5, 2.0, -3.0]), np.zeros(4)):
        numeric = approx_fprime(at, lambda p: objective(p)[0], 1e-7)
        assert objective(at)[1] == pytest.approx(numeric, rel=1e-4, abs=2e-6)


def test_forecasts_come_true_in_every_fifth_of_customers(model, played):
    *rows, later = played
    none = model.probability_of_none(7 * WEEKS_AHEAD, *rows)
    expected = model.expected_purchases(7 * WEEKS_AHEAD, *rows)
    for fifth in np.array_split(np.argsort(none), 5):
        assert none[fifth].mean() == pytest.approx((later[fifth] == 0).mean(), abs=0.025)
        error = later[fifth].std() / np.sqrt(len(fifth))
        assert expected[fifth].mean() == pytest.approx(later[fifth].mean(), abs=4 * error)


def test_no_purchase_in_the_horizon_is_a_longer_silence(model, played):
    """P(X(H) = 0) is the likelihood of the history at T + H over that at T."""
    for x, t_x, T in zip(*(column[:40] for column in played[:3]), strict=True):
        now, then = (
            likelihood(model, *map(np.atleast_1d, (x, t_x, tenure)))(logs(model))[0]
            for tenure in (T, T + 90)
        )
        none = model.probability_of_none(90, *map(np.atleast_1d, (x, t_x, T)))[0]
        assert none == pytest.approx(np.exp(now - then), rel=1e-8)


def test_expected_purchases_start_at_the_rate_of_buying(model, played):
    """For short horizons E[X(H)] and 1 - P(X(H) = 0) are one."""
    rows = [column[:500] for column in played[:3]]
    expected = model.expected_purchases(1e-3, *rows)
    assert expected == pytest.approx(1 - model.probability_of_none(1e-3, *rows), rel=1e-3)


def test_a_longer_horizon_holds_more_purchases_and_less_silence(model, played):
    rows = [column[:500] for column in played[:3]]
    days = (1, 30, 182, 1460)
    expected = np.array([model.expected_purchases(d, *rows) for d in days])
    none = np.array([model.probability_of_none(d, *rows) for d in days])
    assert (np.diff(expected, axis=0) > 0).all()
    assert (np.diff(none, axis=0) < 0).all()
    assert ((none > 0) & (none < 1)).all()


@pytest.mark.parametrize(
    ("frequency", "recency", "tenure"),
    [
        ([0] * 30, [0] * 30, list(range(30))),
        ([150] * 30, [300] * 30, [301] * 30),
        ([0], [0], [0]),
        ([], [], []),
        ([0, 400], [0, 5], [10, 5]),
        ([5_000, 0], [9_000, 0], [9_000, 20_000]),
        ([np.nan, 2, 1], [3, np.inf, 4], [5, 6, 8]),
    ],
    ids=["one-time", "frequent", "one today", "nobody", "odd", "huge", "not finite"],
)
def test_every_input_gives_finite_parameters_and_forecasts(kind, frequency, recency, tenure):
    rows = [np.array(column, dtype=float) for column in (frequency, recency, tenure)]
    fitted = KINDS[kind].fit(*rows)
    known = [column[np.isfinite(rows).all(axis=0)] for column in rows]
    values = [*fitted.to_dict().values(), *fitted.expected_purchases(365, *known)]
    none = fitted.probability_of_none(365, *known)
    assert np.isfinite(values).all()
    assert ((none >= 0) & (none <= 1)).all()


def test_forecasts_are_finite_at_the_bounds_of_the_parameters(model):
    rows = [np.array(c, dtype=float) for c in ([0, 1, 300, 0], [0, 5, 900, 0], [0, 900, 900, 5e3])]
    for corner in np.ndindex(2, 2, 2, 2):
        extreme = type(model)(*np.exp(9.0 * (2.0 * np.array(corner) - 1.0)))
        none = extreme.probability_of_none(90, *rows)
        assert np.isfinite(extreme.expected_purchases(90, *rows)).all()
        assert ((none >= 0) & (none <= 1)).all()


def test_equal_customers_are_counted_once_and_count_each(model, played):
    rows = [np.floor(column[:400]) for column in played[:3]]
    once = type(model).fit(*rows, search=MAXIMUM_LIKELIHOOD)
    thrice = type(model).fit(*(np.tile(c, 3) for c in rows), search=MAXIMUM_LIKELIHOOD)
    assert logs(thrice) == pytest.approx(logs(once), abs=1e-4)
    assert len(Histories.of(*(np.tile(c, 3) for c in rows)).x) == len(Histories.of(*rows).x)


def test_a_warm_start_ends_where_a_cold_one_does(model, played):
    rows = [column[:4_000] for column in played[:3]]
    month_ago = type(model).fit(*(column[:2_000] for column in rows))
    cold = type(model).fit(*rows, search=MAXIMUM_LIKELIHOOD)
    warm = type(model).fit(*rows, start=month_ago, search=MAXIMUM_LIKELIHOOD)
    assert logs(warm) == pytest.approx(logs(cold), abs=1e-4)


def test_many_rows_in_pieces_fit_as_in_one(model, played, monkeypatch):
    at, rows = logs(model), played[:3]
    whole = likelihood(model, *rows)(at)
    monkeypatch.setattr("training.purchase.posterior.ROWS_AT_ONCE", 777)
    value, slope = likelihood(model, *rows)(at)
    assert value == pytest.approx(whole[0], rel=1e-12)
    assert slope == pytest.approx(whole[1], abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("one_time_only", [False, True])
def test_starting_from_a_part_ends_where_all_rows_do(model, played, one_time_only, monkeypatch):
    some = [column[:6_000] for column in played[:3]]
    rows = [column * (i == 2 or not one_time_only) for i, column in enumerate(some)]
    quick = type(model).fit(*rows)
    monkeypatch.setattr("training.purchase.posterior.TRIAL_ROWS", 10**9)
    objective, slow = likelihood(model, *rows), type(model).fit(*rows)
    gain = objective(logs(slow))[0] - objective(logs(quick))[0]
    assert abs(gain) < (1e-4 if one_time_only else 1e-7)
    if not one_time_only:
        assert logs(quick) == pytest.approx(logs(slow), abs=2e-3)


def test_one_customer_alone_gets_the_bits_of_one_among_many(model, played):
    rows = [column[:200] for column in played[:3]]
    for ask in (model.expected_purchases, model.probability_of_none):
        many = ask(90, *rows)
        alone = [ask(90, *(column[i : i + 1] for column in rows))[0] for i in range(200)]
        assert many.tolist() == alone


def test_known_spend_comes_back_within_its_standard_errors():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 12, N).astype(float)
    z = rng.gamma(3.0 * x, 1.0) / (x * rng.gamma(4.0, 1 / 1.5, N))
    fitted = GammaGamma.fit(x, z, search=MAXIMUM_LIKELIHOOD)
    estimate = np.log([fitted.p, fitted.q - 1, fitted.gamma])
    objective = GammaGamma.objective(x, z, MAXIMUM_LIKELIHOOD)
    assert distance(objective, estimate, np.log([3.0, 3.0, 1.5]), N) < chi2.ppf(0.999, df=3)
    for at in (estimate, np.zeros(3)):
        numeric = approx_fprime(at, lambda p: objective(p)[0], 1e-7)
        assert objective(at)[1] == pytest.approx(numeric, rel=1e-4, abs=2e-6)


@pytest.mark.slow
def test_two_million_different_customers_fit_in_bounded_memory():
    rows = [np.floor(np.tile(column, 100)) for column in customers("mbg_nbd", seed=5)[:3]]
    rows[2] += np.repeat(np.arange(100.0), N)
    tracemalloc.start()
    fitted = MbgNbd.fit(*rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**30
    assert np.isfinite(logs(fitted)).all()
