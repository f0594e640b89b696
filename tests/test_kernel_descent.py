"""Against the iteration walked step by step, scikit-learn's kernel ridge regression, and its checks of estimators."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import cosine_similarity, laplacian_kernel, polynomial_kernel, rbf_kernel
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

from wellposed.errors import BadInput
from wellposed.kernel_descent import KernelGradientDescent
from wellposed.stopping import complexity_stopping_time, equivalent_decay, smoothness_stopping_time


@parametrize_with_checks(
    [KernelGradientDescent(), KernelGradientDescent(stopping=50, theta=0.2), KernelGradientDescent(kernel="laplacian")]
)
def test_keeps_scikit_learns_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


def draw(n: int = 60, d: int = 2, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, (n, d))
    return x, np.sin(3 * x).sum(1) + noise * generator.standard_normal(n)


def walk(kernel: np.ndarray, y: np.ndarray, steps: int, step: float, theta: float) -> np.ndarray:
    """The weights of the rows' kernel functions, by the iteration as the paper has it."""
    weights = np.zeros(len(y))
    for t in range(steps):
        weights -= step * (t + 1) ** -theta / len(y) * (kernel @ weights - y)
    return weights


def brownian(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.minimum(x, z.T)


KERNELS = {
    "rbf": ({"kernel": "rbf", "gamma": 2.0}, lambda x: rbf_kernel(x, gamma=2.0)),
    "laplacian": ({"kernel": "laplacian"}, laplacian_kernel),
    "polynomial": ({"kernel": "polynomial", "degree": 2}, lambda x: polynomial_kernel(x, degree=2)),
    "linear": ({"kernel": "linear"}, lambda x: x @ x.T),
    "callable": ({"kernel": cosine_similarity}, cosine_similarity),
}


@settings(max_examples=10)
@given(st.sampled_from(sorted(KERNELS)), st.integers(0, 200), st.sampled_from([0.0, 0.3, 0.8]))
def test_is_the_iteration(name: str, steps: int, theta: float) -> None:
    arguments, kernel_of = KERNELS[name]
    x, y = draw()
    kernel = kernel_of(x)
    model = KernelGradientDescent(**arguments, stopping=steps, theta=theta, truncate=None).fit(x, y)
    assert model.step_size_ == pytest.approx(1 / kernel.diagonal().max())
    expected = walk(kernel, y, steps, model.step_size_, theta)
    np.testing.assert_allclose(model.dual_coef_, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.predict(x), kernel @ expected, rtol=1e-8, atol=1e-9)
    assert model.n_steps_ == steps


def test_for_ever_is_least_squares() -> None:
    x, y = draw(d=3)
    model = KernelGradientDescent(kernel="linear", stopping=10**6, truncate=None).fit(x, y)
    np.testing.assert_allclose(model.predict(x), LinearRegression(fit_intercept=False).fit(x, y).predict(x), rtol=1e-6)


def test_lies_near_ridge_of_the_equivalent_decay() -> None:
    """Each component's share differs by 0.2037 at most (small steps): predictions differ by that part of the target."""
    x, y = draw()
    for steps in (10, 100, 1000, 10_000):
        step = 0.01
        ours = KernelGradientDescent(gamma=2.0, stopping=steps, step_size=step, truncate=None).fit(x, y)
        decay = equivalent_decay(steps, step=step) * len(y)
        theirs = KernelRidge(kernel="rbf", gamma=2.0, alpha=decay).fit(x, y)
        gap = np.linalg.norm(ours.predict(x) - theirs.predict(x)) / np.linalg.norm(y)
        assert gap < 0.2037


def test_stops_by_the_rules() -> None:
    n, sigma = 100, 0.5
    x = np.arange(1, n + 1)[:, None] / n
    y = np.abs(x[:, 0] - 0.5) - 0.5 + sigma * np.random.default_rng(0).standard_normal(n)
    rule = KernelGradientDescent(kernel=brownian, step_size=0.25, stopping="raskutti", sigma=sigma).fit(x, y)
    assert (rule.n_steps_, rule.sigma_) == (31, 0.5)  # known: see the tests of `stopping`
    wide = clone(rule).set_params(radius=5.0).fit(x, y)
    values = np.linalg.eigvalsh(brownian(x, x) / n)
    assert wide.n_steps_ == complexity_stopping_time(values, sigma=0.1, step=0.25) == 260
    assert clone(rule).set_params(radius=5.0, max_steps=99).fit(x, y).n_steps_ == 99
    for r, theta in ((0.5, 0.0), (1.0, 0.3)):
        smooth = KernelGradientDescent(kernel=brownian, stopping="yao", r=r, theta=theta).fit(x, y)
        assert smooth.n_steps_ == smoothness_stopping_time(n, r=r, theta=theta)
    slow = KernelGradientDescent(kernel=brownian, stopping="yao", theta=0.999, max_steps=50).fit(x, y)
    assert slow.n_steps_ == 50


def test_finds_the_noise() -> None:
    """Half of 400 rows: a deviation of sigma / sqrt(400) = 5 percent; 4 of them, one false alarm in 16000."""
    x, y = draw(n=400, noise=0.5)
    model = KernelGradientDescent(stopping="raskutti", gamma=1.0).fit(x, y)
    assert model.sigma_ == pytest.approx(0.5, rel=0.2)
    without = KernelGradientDescent(stopping="raskutti", gamma=1.0, max_steps=77).fit(x, 0 * y)
    assert (without.sigma_, without.n_steps_) == (0.0, 77)


def test_cross_validation_is_what_a_loop_over_folds_finds() -> None:
    x, y = draw(n=40)
    folds = KFold(4, shuffle=True, random_state=3)
    model = KernelGradientDescent(gamma=1.0, cv=4, random_state=3, max_steps=500).fit(x, y)
    assert (model.path_steps_[0], model.path_steps_[-1]) == (1, 500)
    for i in (0, 40, len(model.path_steps_) - 1):
        steps, errors = int(model.path_steps_[i]), []
        for train, held in folds.split(x):
            kernel = rbf_kernel(x[train], gamma=1.0)
            weights = walk(kernel, y[train], steps, 1.0, 0.0)
            found = rbf_kernel(x[held], x[train], gamma=1.0) @ weights
            errors.append(np.mean((np.clip(found, -np.abs(y).max(), np.abs(y).max()) - y[held]) ** 2))
        assert model.path_errors_[i] == pytest.approx(np.mean(errors), rel=1e-8)
    assert model.n_steps_ == model.path_steps_[model.path_errors_.argmin()]
    again = clone(model).set_params(cv=folds).fit(x, y)
    np.testing.assert_array_equal(again.path_errors_, model.path_errors_)
    once = clone(model).set_params(cv=ShuffleSplit(1, test_size=0.3, random_state=0)).fit(x, y)
    assert once.path_errors_.shape == model.path_steps_.shape


def test_stopping_early_is_better_than_not_stopping() -> None:
    x, y = draw(n=100, noise=1.0)
    fresh, truth = draw(n=500, noise=0.0, seed=1)
    early = KernelGradientDescent(gamma=20.0, random_state=0).fit(x, y)
    late = KernelGradientDescent(gamma=20.0, stopping=10**6, truncate=None).fit(x, y)
    errors = [np.mean((model.predict(fresh) - truth) ** 2) for model in (early, late)]
    assert errors[0] < 0.7 * errors[1]


def test_predictions_are_cut() -> None:
    x, y = draw()
    far = 100 * x
    assert np.abs(KernelGradientDescent(kernel="linear", stopping=100).fit(x, y).predict(far)).max() == np.abs(y).max()
    cut = KernelGradientDescent(kernel="linear", stopping=100, truncate=0.5).fit(x, y)
    assert np.abs(cut.predict(far)).max() == cut.bound_ == 0.5
    assert KernelGradientDescent(kernel="linear", stopping=100, truncate=None).fit(x, y).bound_ == np.inf


def test_rows_without_anything() -> None:
    model = KernelGradientDescent(kernel="linear", random_state=0).fit(np.zeros((6, 2)), np.arange(6.0))
    assert (model.predict(np.ones((2, 2))) == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": "cubic"}, r"kernel must be 'rbf', 'laplacian', 'polynomial' or 'linear'. Got 'cubic'."),
        ({"kernel": lambda x, z: x}, r"kernel must give values of shape \(60, 60\). Got \(60, 2\)."),
        ({"kernel": lambda x, z: -rbf_kernel(x, z)}, r"kernel must be positive semidefinite. Got 'an eigenvalue of"),
        ({"gamma": 0.0}, r"gamma must be a finite number above 0. Got 0.0."),
        ({"degree": -1}, r"degree must be a finite number above 0. Got -1."),
        ({"coef0": -1.0}, r"coef0 must be a finite number of at least 0. Got -1.0."),
        ({"step_size": 0.0}, r"step_size must be a finite number above 0. Got 0.0."),
        ({"step_size": 1e3}, r"step_size must be at most [\d.]+ for these rows and this kernel. Got 1000.0."),
        ({"theta": 1.0}, r"theta must be in \[0, 1\). Got 1.0."),
        ({"stopping": "late"}, r"stopping must be 'cv', 'yao' or 'raskutti'. Got 'late'."),
        ({"stopping": -1}, r"stopping must be a whole number of at least 0. Got -1."),
        ({"r": 0}, r"r must be a finite number above 0. Got 0."),
        ({"sigma": -1}, r"sigma must be a finite number above 0. Got -1."),
        ({"radius": 0}, r"radius must be a finite number above 0. Got 0."),
        ({"cv": 1}, r"cv must be a whole number of at least 2. Got 1."),
        ({"max_steps": 0}, r"max_steps must be a positive whole number. Got 0."),
        ({"truncate": -1}, r"truncate must be a finite number of at least 0. Got -1."),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        KernelGradientDescent(**arguments).fit(*draw())
