"""Against definitions searched step by step, the iterations themselves, and numbers known to their last digit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar

from wellposed.errors import BadInput
from wellposed.stopping import (
    bias_bound,
    complexity_stopping_time,
    critical_radius,
    descent_filter,
    equivalent_decay,
    local_complexity,
    ridge_filter,
    smoothness_exponents,
    smoothness_stopping_time,
    step_sizes,
)

spectra = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8).map(np.array)


def sobolev(n: int) -> np.ndarray:
    """Eigenvalues of the kernel min(x, x') on n rows i/n, divided by n."""
    x = np.arange(1, n + 1) / n
    return np.asarray(np.linalg.eigvalsh(np.minimum.outer(x, x) / n))


KNOWN = [
    *((50, 0.1, 165, 0.0242), (50, 0.5, 18, 0.2145), (50, 1.0, 7, 0.549)),
    *((100, 0.1, 260, 0.01537), (100, 0.5, 31, 0.1288), (100, 1.0, 10, 0.372)),
    *((200, 0.1, 416, 0.00961), (500, 0.1, 765, 0.00523), (500, 1.0, 36, 0.110)),
]
"""Rows, noise, stopping time and squared radius for steps of 1/4: the design of the figures of Raskutti and others."""


@pytest.mark.parametrize(("n", "sigma", "time", "square"), KNOWN)
def test_known_stopping_times_and_radii(n: int, sigma: float, time: int, square: float) -> None:
    eigenvalues = sobolev(n)
    assert complexity_stopping_time(eigenvalues, sigma=sigma, step=0.25) == time
    found = critical_radius(eigenvalues, sigma=sigma)
    assert found**2 == pytest.approx(square, rel=0.0015)  # as printed, in two to four digits

    def excess(epsilon: float) -> float:
        return local_complexity(eigenvalues, epsilon) - epsilon**2 / (2 * math.e * sigma)

    assert found == pytest.approx(brentq(excess, 1e-3, 10, xtol=1e-14), rel=1e-12)


def test_slopes_are_two_thirds() -> None:
    """First-order smoothness: eigenvalues fall as k^-2, so time grows as n^(2/3) and the squared radius falls so."""
    few, many = sobolev(50), sobolev(500)
    times = [complexity_stopping_time(e, sigma=0.1, step=0.25) for e in (few, many)]
    squares = [critical_radius(e, sigma=0.1) ** 2 for e in (few, many)]
    assert math.log10(times[1] / times[0]) == pytest.approx(0.666, abs=0.001)
    assert math.log10(squares[1] / squares[0]) == pytest.approx(-0.666, abs=0.001)


@given(spectra, st.floats(0.05, 2.0), st.sampled_from([0.0, 0.3, 0.8]), st.floats(0.05, 1.0))
def test_stops_by_the_definition(eigenvalues: np.ndarray, sigma: float, theta: float, step: float) -> None:
    """One before the first step at which the complexity is too large."""
    eta, t = 0.0, 0
    while t < 300:
        eta += step * (t + 1) ** -theta
        if local_complexity(eigenvalues, eta**-0.5) > 1 / (2 * math.e * sigma * eta) * (1 + 1e-12):
            break
        t += 1
    assert complexity_stopping_time(eigenvalues, sigma=sigma, step=step, theta=theta, most=300) == t


@given(spectra, st.floats(0.05, 2.0))
def test_the_critical_radius_is_where_complexity_begins_to_be_small(eigenvalues: np.ndarray, sigma: float) -> None:
    radius = critical_radius(eigenvalues, sigma=sigma)
    for epsilon in (radius * 1.001, radius * 1.5, 10.0):
        assert local_complexity(eigenvalues, epsilon) <= epsilon**2 / (2 * math.e * sigma) * (1 + 1e-9)
    if radius > 0:
        low = radius * 0.999
        assert local_complexity(eigenvalues, low) >= low**2 / (2 * math.e * sigma) * (1 - 1e-9)


def test_finite_rank_learns_at_the_parametric_rate() -> None:
    """d eigenvalues of any size: the squared radius is 4 e^2 sigma^2 d / n."""
    eigenvalues = np.concatenate([np.full(3, 0.9), np.zeros(997)])
    assert critical_radius(eigenvalues, sigma=0.5) ** 2 == pytest.approx(4 * math.e**2 * 0.25 * 3 / 1000)


def test_a_larger_truth_is_less_noise() -> None:
    eigenvalues = sobolev(50)
    found = complexity_stopping_time(eigenvalues, sigma=5.0, step=0.25, radius=10.0)
    assert found == complexity_stopping_time(eigenvalues, sigma=0.5, step=0.25)


def test_the_bounds_of_theorem_1_hold_on_its_design() -> None:
    """(a) for all t up to the stop, of |x - 1/2| - 1/2, which has norm 1; and (b). Of 20 draws none may fail."""
    n, sigma, step = 100, 0.5, 0.25
    x = np.arange(1, n + 1) / n
    truth = np.abs(x - 0.5) - 0.5
    values, vectors = np.linalg.eigh(np.minimum.outer(x, x) / n)
    stop = complexity_stopping_time(values, sigma=sigma, step=step)
    times = np.arange(1, stop + 1)
    shares = descent_filter(values, times, step=step)
    for seed in range(20):
        y = truth + sigma * np.random.default_rng(seed).standard_normal(n)
        errors = (((shares * (vectors.T @ y)) @ vectors.T - truth) ** 2).mean(1)
        assert (errors <= 4 / (math.e * step * times)).all()
        assert errors[-1] <= 12 * critical_radius(values, sigma=sigma) ** 2


@pytest.mark.parametrize("theta", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("r", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_bias_lies_below_its_bound(r: float, theta: float) -> None:
    """The worst truth of smoothness r has its all on one eigenvalue; the bound is reached to 84 percent and no more."""
    eigenvalues, times = np.linspace(0, 1, 2001), np.unique(np.geomspace(1, 3000, 40).astype(int))
    left = 1 - descent_filter(eigenvalues, times, step=1.0, theta=theta)
    worst = (left * eigenvalues**r).max(1)
    ratios = worst / [bias_bound(int(t), r=r, theta=theta) for t in times]
    assert (ratios <= 1).all()
    assert ratios.max() <= 0.85
    if r > 0.5:
        kernel = (left * eigenvalues ** (r - 0.5)).max(1)
        assert (kernel <= [bias_bound(int(t), r=r, theta=theta, norm="kernel") for t in times]).all()


@pytest.mark.parametrize("theta", [0.0, 0.3])
@pytest.mark.parametrize("r", [0.5, 1.0])
def test_slopes_of_bias_and_of_noise(r: float, theta: float) -> None:
    """On Fourier functions with eigenvalues k^-2: bias falls as t^(-r(1-theta)), noise grows at most as t^(1-theta)."""
    k = np.arange(1, 2001, dtype=np.float64)
    eigenvalues, g = k**-2.0, k**-0.5
    times = np.unique(np.geomspace(100, 5000, 12).astype(int))
    shares = descent_filter(eigenvalues, times, step=1.0, theta=theta)
    bias = np.sqrt((((1 - shares) * eigenvalues**r * g) ** 2).sum(1))
    slope = np.polyfit(np.log(times), np.log(bias), 1)[0]
    assert slope == pytest.approx(-r * (1 - theta), abs=0.05)
    noise = np.sqrt((shares**2).sum(1))
    assert np.polyfit(np.log(times), np.log(noise), 1)[0] <= 1 - theta


@given(st.integers(1, 30), st.integers(1, 6))
def test_whole_powers_are_not_rounded_up(base: int, twice_r: int) -> None:
    """m = b^(2r+2) gives b, whatever its root is in floating point."""
    assert smoothness_stopping_time(base ** (twice_r + 2), r=twice_r / 2) == base
    assert smoothness_stopping_time(base ** (twice_r + 2), r=twice_r / 2, most=7) == min(base, 7)


def test_smaller_steps_take_a_power_of_the_time_and_reach_the_same_error() -> None:
    flat, falling = smoothness_exponents(0.75), smoothness_exponents(0.75, theta=0.5)
    assert falling.time == pytest.approx(2 * flat.time)
    assert (falling.error, falling.kernel_error) == (flat.error, flat.kernel_error)
    assert flat.error == -0.75 / 3.5
    bias_at_stop = -0.75 * flat.time  # the exponents of bias and of noise, t / sqrt(m), are one at the stop
    assert bias_at_stop == pytest.approx(flat.time - 0.5) == pytest.approx(flat.error)


@given(spectra, st.integers(0, 30), st.sampled_from([0.0, 0.4]), st.floats(0.1, 1.0))
def test_filters_are_what_the_iteration_learns(eigenvalues: np.ndarray, steps: int, theta: float, step: float) -> None:
    f = np.zeros_like(eigenvalues)
    for size in step * step_sizes(steps, theta=theta):
        f = f - size * eigenvalues * (f - 1)
    found = descent_filter(eigenvalues, np.array([0, steps]), step=step, theta=theta)
    np.testing.assert_allclose(found[1], f, rtol=1e-9, atol=1e-12)
    assert (found[0] == 0).all()


def test_steps_beyond_one_chunk() -> None:
    eigenvalues = np.array([1e-4, 1e-3])
    found = descent_filter(eigenvalues, np.array([3, 10_000]), step=1.0, theta=0.5)
    expected = 1 - np.prod(1 - np.outer(step_sizes(10_000, theta=0.5), eigenvalues), axis=0)
    np.testing.assert_allclose(found[1], expected, rtol=1e-9)
    slow = complexity_stopping_time(np.array([1e-3]), sigma=1e-2, step=1.0, theta=0.5)
    reach = critical_radius(np.array([1e-3]), sigma=1e-2) ** -2
    sums = np.cumsum(step_sizes(slow + 1, theta=0.5))
    assert sums[-2] <= reach < sums[-1]


def test_worst_gap_between_stopping_and_weight_decay() -> None:
    """|(1 - e^-x) - x / (1 + x)| is largest, 0.20363, at 2.5129; small steps come near it and stay there."""
    found = minimize_scalar(lambda x: x / (1 + x) - (1 - math.exp(-x)), bounds=(0, 20), method="bounded")
    assert (round(-found.fun, 5), round(found.x, 4)) == (0.20363, 2.5129)
    eigenvalues, steps, step = np.linspace(0, 1, 100_001), 100_000, 1e-3
    gap = descent_filter(eigenvalues, np.array([steps]), step=step)[0] - ridge_filter(
        eigenvalues, equivalent_decay(steps, step=step)
    )
    assert gap.max() == pytest.approx(0.20363, abs=1e-4)
    assert gap.min() >= 0


def test_stopping_equals_decay_where_the_book_says() -> None:
    """(1 - e l)^t = a / (l + a), solved for a at one eigenvalue, is near 1 / (e t) where the eigenvalue is small."""
    step, steps, eigenvalue = 0.01, 50, 1e-4
    left = (1 - step * eigenvalue) ** steps
    decay = eigenvalue * left / (1 - left)
    assert decay == pytest.approx(equivalent_decay(steps, step=step), rel=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
def test_conditions_of_bauer_and_others_hold_for_descent(steps: int) -> None:
    """With g the filter over s and l = 1/t: s g <= 1, g <= 1/l, 1 - s g <= 1, and (1 - s g) s^v <= max(1, v^v) l^v."""
    s = np.linspace(1e-6, 1, 20_001)
    shares, decay = descent_filter(s, np.array([steps]), step=1.0)[0], 1 / steps
    assert shares.max() <= 1
    assert (shares / s).max() <= 1 / decay * (1 + 1e-9)
    for v in (0.25, 0.5, 1.0, 2.0, 5.0):
        assert ((1 - shares) * s**v).max() <= max(1.0, v**v) * decay**v * (1 + 1e-9)


def test_ridge_saturates_and_descent_does_not() -> None:
    """Ridge: (1 - s g) s^v <= l^v up to v = 1 and for no larger one."""
    s = np.linspace(1e-6, 1, 20_001)
    for decay in (1e-1, 1e-2, 1e-3):
        left = 1 - ridge_filter(s, decay)
        assert (ridge_filter(s, decay) / s).max() <= 1 / decay
        for v in (0.25, 0.5, 1.0):
            assert (left * s**v).max() <= decay**v
    assert (left * s**2).max() > 100 * decay**2


def test_refuses() -> None:
    with pytest.raises(BadInput, match=r"r must be a finite number above 0. Got 0."):
        smoothness_stopping_time(10, r=0)
    with pytest.raises(BadInput, match=r"theta must be in \[0, 1\). Got 1."):
        smoothness_stopping_time(10, r=1, theta=1)
    with pytest.raises(BadInput, match=r"r must be a finite number above 0.5. Got 0.5."):
        bias_bound(10, r=0.5, norm="kernel")
    with pytest.raises(BadInput, match=r"sigma must be a finite number above 0. Got 0."):
        critical_radius(np.ones(2), sigma=0)
    with pytest.raises(BadInput, match=r"step must be a finite number above 0. Got -1."):
        complexity_stopping_time(np.ones(2), sigma=1, step=-1)
    with pytest.raises(BadInput, match=r"steps must be at least 1. Got 0."):
        equivalent_decay(0, step=1)
