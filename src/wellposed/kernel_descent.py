r"""Regression by gradient descent in a reproducing-kernel space, stopped early: time takes the place of a penalty.

From $f_0 = 0$, with steps $\gamma_t = \gamma_0 (t + 1)^{-\theta}$ on the mean squared error of $m$ rows. The path is
not walked: with $K(x_i, x_j) / m = U \Lambda U^\top$, what $t$ steps learn of each component is known in closed form
(`wellposed.stopping.descent_filter`), so that any number of steps of one size ($\theta = 0$) costs the same.

Good for a few thousand rows with a truth as smooth as the kernel, as a model of what early stopping does, and to
compare rules for it. Bad for many rows: it needs the whole kernel matrix and its eigenvectors.

Sources: those of `wellposed.stopping`; the choice by validation: Caponnetto & Yao, Cross-validation based adaptation
for regularization operators in learning theory, 2010, https://doi.org/10.1142/S0219530510001564.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int64
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import KFold, check_cv
from sklearn.utils.validation import check_is_fitted, validate_data

from wellposed.checks import check_choice, check_count, check_number, refusal
from wellposed.stopping import complexity_stopping_time, descent_filter, smoothness_stopping_time, step_sizes

KERNELS = ("rbf", "laplacian", "polynomial", "linear")
RULES = ("cv", "yao", "raskutti")
LOOKS = 200
"""Numbers of steps, at most, between which cross-validation chooses; they lie evenly in their logarithm."""
SLACK = 1e-6
"""Relative to the largest eigenvalue; how far rounding may drive others below zero, or a step beyond its bound."""

Kernel: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Rows as gradient descent sees them.

    Attributes:
        values: Eigenvalues of the kernel matrix over the number of rows: `m`.
        vectors: Its eigenvectors: `m m`, one a column.
        targets: The targets' components along them: `m`.
    """

    values: Float[np.ndarray, " m"]
    vectors: Float[np.ndarray, "m m"]
    targets: Float[np.ndarray, " m"]

    @classmethod
    def of(cls, kernel: Float[np.ndarray, "m m"], y: Float[np.ndarray, " m"]) -> "Spectrum":
        """The spectrum of a kernel matrix, refused where it is none of a kernel's."""
        values, vectors = np.linalg.eigh((kernel + kernel.T) / (2 * len(y)))
        if values[0] < -SLACK * max(values[-1], 0):
            raise refusal("kernel", "be positive semidefinite", f"an eigenvalue of {values[0]:.3g}")
        return cls(values.clip(min=0), vectors, vectors.T @ y)

    def coefficients(self, steps: Int64[np.ndarray, " S"], *, step: float, theta: float) -> Float[np.ndarray, "m S"]:
        """What each row's kernel function weighs after each of some numbers of steps, in ascending order."""
        shares = descent_filter(self.values, steps, step=step, theta=theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = shares / self.values  # of the filter, which at an eigenvalue of 0 is the sum of the step sizes
        flat = self.values <= np.finfo(np.float64).eps * self.values.max()
        if flat.any():
            slopes[:, flat] = step * _sums(steps, theta)[:, None]
        return np.asarray(self.vectors @ (slopes * self.targets).T / len(self.targets))


def _sums(steps: Int64[np.ndarray, " S"], theta: float) -> Float[np.ndarray, " S"]:
    """The sums of the sizes of so many steps, in units of the first."""
    if theta == 0:
        return np.asarray(steps, dtype=np.float64)
    return np.asarray(np.append(0.0, np.cumsum(step_sizes(int(steps[-1]), theta=theta)))[steps])


def noise_deviation(spectrum: Spectrum) -> float:
    """The targets' deviation along the half of the eigenvectors with the smallest eigenvalues.

    A truth as smooth as the kernel has next to nothing there. If it is rougher, this is too large.
    """
    half = spectrum.targets[: max(1, len(spectrum.targets) // 2)]
    return math.sqrt(float(np.square(half).mean()))


class KernelGradientDescent(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient descent on functions, stopped by a rule from theory or by cross-validation.

    Args:
        kernel: "rbf", "laplacian", "polynomial" or "linear"; or a function from rows `n d` and rows `k d` to their
            kernel values `n k`, such as those of `sklearn.metrics.pairwise`.
        gamma: Of the first three kernels; None is one over the number of columns.
        degree: Of the polynomial kernel.
        coef0: Of the polynomial kernel: what is added to the product.
        step_size: Of the first step; "auto" is one over the largest kernel value of a training row with itself. At most
            one over the largest eigenvalue of the kernel matrix divided by the number of rows.
        theta: How fast the steps become smaller, in [0, 1): step t has a size of `step_size * t ** -theta`.
        stopping: "cv", the number of steps of lowest squared error on rows held out, of truncated predictions; "yao",
            from the smoothness `r`; "raskutti", from the kernel's complexity on the training rows and from the noise,
            `sigma`; or the number of steps itself.
        r: Smoothness of the truth for "yao", above 0: from 1/2 it lies in the kernel's space, and larger is smoother.
        sigma: Deviation of the noise for "raskutti"; "auto" is that of the targets along the half of the kernel's
            eigenvectors with the smallest eigenvalues. If the truth is rough, that is too large, and it stops early.
        radius: What the truth's norm in the kernel's space is at most, for "raskutti": in units of the target.
        cv: Folds for "cv", which are drawn by `random_state`; or a splitter of scikit-learn's, or its splits.
            `ShuffleSplit(n_splits=1)` is the hold-out of theory.
        max_steps: Steps at most, by any rule.
        truncate: Predictions are cut to what is at most so far from 0; "auto" is the largest absolute target, None is
            no cut.
        random_state: Of the folds.

    Attributes:
        n_steps_: Steps done.
        step_size_: The first step's size.
        sigma_: Deviation of the noise that "raskutti" went by.
        bound_: Where predictions are cut; infinite for no cut.
        dual_coef_: What each training row's kernel function weighs.
        X_fit_: The training rows.
        path_steps_: The numbers of steps between which "cv" chose.
        path_errors_: Their mean squared errors on rows held out.
        n_features_in_: Columns seen.
        feature_names_in_: Their names, where they came as a frame with names.

    Descent starts from 0: center a target that is far from 0 before.

    >>> x = np.linspace(0, 1, 40)[:, None]
    >>> model = KernelGradientDescent(gamma=10.0, random_state=0).fit(x, np.sin(6 * x[:, 0]))
    >>> round(model.score(x, np.sin(6 * x[:, 0])), 2)
    1.0
    """

    def __init__(
        self,
        *,
        kernel: Literal["rbf", "laplacian", "polynomial", "linear"] | Kernel = "rbf",
        gamma: float | None = None,
        degree: float = 3,
        coef0: float = 1.0,
        step_size: float | Literal["auto"] = "auto",
        theta: float = 0.0,
        stopping: Literal["cv", "yao", "raskutti"] | int = "cv",
        r: float = 0.5,
        sigma: float | Literal["auto"] = "auto",
        radius: float = 1.0,
        cv: Any = 5,
        max_steps: int = 100_000,
        truncate: float | Literal["auto"] | None = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.step_size = step_size
        self.theta = theta
        self.stopping = stopping
        self.r = r
        self.sigma = sigma
        self.radius = radius
        self.cv = cv
        self.max_steps = max_steps
        self.truncate = truncate
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "KernelGradientDescent":
        """Descend on rows and their numbers.

        Args:
            X: `m` rows of numbers.
            y: `m` numbers.
        """
        _check(self)
        fewest = 2 if self.stopping == "cv" else 1
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=fewest)
        y = np.asarray(y, dtype=np.float64)
        kernel = _kernel(self, X, X)
        spectrum = Spectrum.of(kernel, y)
        self.bound_ = _bound(self.truncate, y)
        self.step_size_ = _step(self.step_size, kernel, spectrum)
        self.n_steps_ = self._steps(kernel, y, spectrum)
        last = np.array([self.n_steps_])
        self.dual_coef_ = spectrum.coefficients(last, step=self.step_size_, theta=self.theta)[:, 0]
        self.X_fit_ = X
        return self

    def predict(self, X: Any) -> Float[np.ndarray, " n"]:
        """The number of each row."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray((_kernel(self, X, self.X_fit_) @ self.dual_coef_).clip(-self.bound_, self.bound_))

    def _steps(self, kernel: Float[np.ndarray, "m m"], y: Float[np.ndarray, " m"], spectrum: Spectrum) -> int:
        """The number of steps by the rule asked for."""
        if self.stopping == "yao":
            return smoothness_stopping_time(len(y), r=self.r, theta=self.theta, most=self.max_steps)
        if self.stopping == "raskutti":
            self.sigma_ = noise_deviation(spectrum) if self.sigma == "auto" else float(self.sigma)
            if not self.sigma_:
                return self.max_steps
            rule = {"step": self.step_size_, "theta": self.theta, "radius": self.radius}
            return complexity_stopping_time(spectrum.values, sigma=self.sigma_, **rule, most=self.max_steps)
        if self.stopping != "cv":
            return int(self.stopping)
        self.path_steps_ = np.unique(np.geomspace(1, self.max_steps, LOOKS).round().astype(np.int64))
        errors = [self._errors(kernel, y, train, held) for train, held in self._splits(y)]
        self.path_errors_ = np.mean(errors, axis=0)
        return int(self.path_steps_[self.path_errors_.argmin()])

    def _splits(self, y: Float[np.ndarray, " m"]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Positions to train on and positions held out."""
        whole = isinstance(self.cv, int)
        folds = (
            KFold(min(self.cv, len(y)), shuffle=True, random_state=self.random_state) if whole else check_cv(self.cv)
        )
        return list(folds.split(y[:, None], y))

    def _errors(
        self, kernel: Float[np.ndarray, "m m"], y: Float[np.ndarray, " m"], train: np.ndarray, held: np.ndarray
    ) -> Float[np.ndarray, " S"]:
        """Mean squared errors along the path on rows held out."""
        spectrum = Spectrum.of(kernel[np.ix_(train, train)], y[train])
        step = min(self.step_size_, 1 / max(spectrum.values[-1], np.finfo(np.float64).tiny))
        weights = spectrum.coefficients(self.path_steps_, step=step, theta=self.theta)
        found = (kernel[np.ix_(held, train)] @ weights).clip(-self.bound_, self.bound_)
        return np.asarray(np.square(found - y[held, None]).mean(0))


def _check(model: KernelGradientDescent) -> None:
    """Refuse arguments out of range."""
    if not callable(model.kernel):
        check_choice("kernel", model.kernel, KERNELS)
    if model.gamma is not None:
        check_number("gamma", model.gamma, low=0, open="(")
    check_number("degree", model.degree, low=0, open="(")
    check_number("coef0", model.coef0, low=0)
    if model.step_size != "auto":
        check_number("step_size", model.step_size, low=0, open="(")
    check_number("theta", model.theta, low=0, high=1, open=")")
    if isinstance(model.stopping, str):
        check_choice("stopping", model.stopping, RULES)
    else:
        check_count("stopping", model.stopping, least=0)
    check_number("r", model.r, low=0, open="(")
    if model.sigma != "auto":
        check_number("sigma", model.sigma, low=0, open="(")
    check_number("radius", model.radius, low=0, open="(")
    if isinstance(model.cv, int):
        check_count("cv", model.cv, least=2)
    check_count("max_steps", model.max_steps)
    if model.truncate is not None and model.truncate != "auto":
        check_number("truncate", model.truncate, low=0)


def _kernel(model: KernelGradientDescent, X: np.ndarray, Y: np.ndarray) -> Float[np.ndarray, "n k"]:
    """Kernel values of rows with rows."""
    if callable(model.kernel):
        found = np.asarray(model.kernel(X, Y), dtype=np.float64)
        if found.shape != (len(X), len(Y)):
            raise refusal("kernel", f"give values of shape {(len(X), len(Y))}", found.shape)
        return found
    values = {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}
    return np.asarray(pairwise_kernels(X, Y, metric=model.kernel, filter_params=True, **values))


def _bound(truncate: float | str | None, y: Float[np.ndarray, " m"]) -> float:
    """How far from 0 predictions may lie."""
    if truncate is None:
        return math.inf
    return float(np.abs(y).max()) if truncate == "auto" else float(truncate)


def _step(asked: float | str, kernel: Float[np.ndarray, "m m"], spectrum: Spectrum) -> float:
    """The first step's size, under which descent cannot overshoot."""
    largest = float(kernel.diagonal().max())
    if asked == "auto":
        return 1 / largest if largest > 0 else 1.0
    if float(asked) * spectrum.values[-1] > 1 + SLACK:
        raise refusal("step_size", f"be at most {1 / spectrum.values[-1]:.6g} for these rows and this kernel", asked)
    return float(asked)
