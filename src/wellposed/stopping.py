r"""When to stop gradient descent in a reproducing-kernel space: the rules and bounds of theory, as pure functions.

The iteration on $m$ rows, with a kernel $K$, $\kappa^2 = \sup_x K(x, x)$, and $f_0 = 0$:

$$f_{t+1} = f_t - \frac{\gamma_t}{m} \sum_i (f_t(x_i) - y_i)\,K(x_i, \cdot), \qquad
\gamma_t = \frac{1}{\kappa^2 (t + 1)^\theta}, \quad 0 \le \theta < 1$$

**The rule from smoothness** (Yao and others): if the truth is $L_K^r g$ with $\lVert g \rVert \le R$, then after
$t^* = \lceil m^{1 / ((2r + 2)(1 - \theta))} \rceil$ steps the error is $O(m^{-r / (2r + 2)})$. The part of it that more
rows do not help, the bias, is at most $R\,(2 r \kappa^2 / e)^r\, t^{-r (1 - \theta)}$ after $t$ steps.

**The rule from complexity** (Raskutti and others): with the eigenvalues $\lambda_i$ of $K(x_i, x_j) / m$, noise of
deviation $\sigma$, $\lVert f^* \rVert \le 1$ and $\eta_t = \sum_{s<t} \gamma_s$, stop at the last $t$ with

$$\hat R(1 / \sqrt{\eta_t}) \le \frac{1}{2 e \sigma \eta_t}, \qquad
\hat R(\epsilon)^2 = \frac{1}{m} \sum_i \min(\lambda_i, \epsilon^2)$$

**Filters**: after $t$ steps the component of the data along an eigenvalue $\lambda$ is learned to a share
$1 - \prod_{s<t} (1 - \gamma_s \lambda)$; by ridge regression to a share $\lambda / (\lambda + \alpha)$. The two are
near where $\alpha = 1 / \eta_t$: in the limit of small steps never more than 0.20363 apart.

Sources: Yao, Rosasco & Caponnetto, On early stopping in gradient descent learning, 2007,
https://doi.org/10.1007/s00365-006-0663-2; Raskutti, Wainwright & Yu, Early stopping and non-parametric regression,
2014, https://jmlr.org/papers/v15/raskutti14a.html, theorem 1; Bauer, Pereverzev & Rosasco, On regularization algorithms
in learning theory, 2007, https://doi.org/10.1016/j.jco.2006.07.001 (filters); Goodfellow, Bengio & Courville, Deep
Learning, 2016, section 7.8 (early stopping as weight decay).
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from wellposed.checks import check_number, refusal

ROUNDING = 1e-9
"""Relative; what a power may be off from the whole number that it stands for."""
CHUNK = 4096
"""Steps that are summed at once where their sizes differ."""


class Exponents(NamedTuple):
    """Of the number of rows, in the rule from smoothness.

    Attributes:
        time: Of the stopping time.
        error: Of the error in mean square over the inputs, its root.
        kernel_error: Of the error in the kernel's norm; not negative where the truth may lie outside of the space.
    """

    time: float
    error: float
    kernel_error: float


def step_sizes(steps: int, *, theta: float = 0.0, kappa: float = 1.0) -> Float[np.ndarray, " T"]:
    """The sizes of the first steps.

    >>> step_sizes(3, theta=0.5, kappa=2.0).round(4).tolist()
    [0.25, 0.1768, 0.1443]
    """
    return np.arange(1, steps + 1, dtype=np.float64) ** -theta / kappa**2


def smoothness_exponents(r: float, *, theta: float = 0.0) -> Exponents:
    """How stopping time and errors grow with the number of rows if the truth is of smoothness `r`.

    >>> smoothness_exponents(1.0)
    Exponents(time=0.25, error=-0.25, kernel_error=-0.125)
    """
    return Exponents(1 / ((2 * r + 2) * (1 - theta)), -r / (2 * r + 2), -(r - 0.5) / (2 * r + 2))


def smoothness_stopping_time(rows: int, *, r: float, theta: float = 0.0, most: int = 10**9) -> int:
    """After how many steps to stop if the truth is of smoothness `r`.

    Args:
        rows: Of training.
        r: Above 0; from 1/2 the truth lies in the kernel's space, and larger is smoother.
        theta: How fast steps become smaller, below 1.
        most: Steps beyond which the answer does not matter.

    >>> [smoothness_stopping_time(10_000, r=1.0, theta=theta) for theta in (0.0, 0.5)]
    [10, 100]
    """
    check_number("r", r, low=0, open="(")
    check_number("theta", theta, low=0, high=1, open=")")
    power = smoothness_exponents(r, theta=theta).time
    if power * math.log(rows) > math.log(most):
        return most
    return math.ceil(math.pow(rows, power) * (1 - ROUNDING))


def bias_bound(
    steps: int,
    *,
    r: float,
    theta: float = 0.0,
    radius: float = 1.0,
    kappa: float = 1.0,
    norm: Literal["inputs", "kernel"] = "inputs",
) -> float:
    """What the error without noise is at most, after so many steps, for a truth of smoothness `r`.

    Args:
        steps: At least 1.
        r: Above 0; above 1/2 in the kernel's norm.
        theta: How fast steps become smaller.
        radius: What the norm of the rough function is at most that the kernel's operator makes smooth.
        kappa: The root of the kernel's largest value on the diagonal.
        norm: Root of the mean square over the inputs, or the norm of the kernel's space.

    >>> round(bias_bound(100, r=1.0), 6)
    0.007358
    """
    lowest = 0.0 if norm == "inputs" else 0.5
    check_number("r", r, low=lowest, open="(")
    power = r - lowest
    return float(radius * (2 * power * kappa**2 / math.e) ** power * steps ** (-power * (1 - theta)))


def local_complexity(eigenvalues: Float[np.ndarray, " m"], epsilon: float) -> float:
    """The local Rademacher complexity of a kernel's ball at a radius.

    >>> local_complexity(np.array([1.0, 0.25, 0.0, 0.0]), 0.5)
    0.3535533905932738
    """
    return math.sqrt(float(np.minimum(eigenvalues, epsilon**2).mean()))


def critical_radius(eigenvalues: Float[np.ndarray, " m"], *, sigma: float) -> float:
    """The smallest radius whose local complexity is at most its square over `2 e sigma`.

    Between two eigenvalues the condition is a quadratic one in the squared radius; it is solved exactly.

    >>> round(critical_radius(np.array([1.0, 0.25, 0.0, 0.0]), sigma=0.1), 4)
    0.3844
    """
    check_number("sigma", sigma, low=0, open="(")
    ordered = np.sort(np.asarray(eigenvalues, dtype=np.float64))[::-1].clip(min=0)
    n, scale = len(ordered), (2 * math.e * sigma) ** 2
    share = np.arange(n + 1) / n  # of the eigenvalues that are cut to the squared radius, and what is left of the rest
    rest = np.append(np.cumsum(ordered[::-1])[::-1], 0.0) / n
    squares = (scale * share + np.sqrt((scale * share) ** 2 + 4 * scale * rest)) / 2
    upper, lower = np.append(np.inf, ordered), np.append(ordered, 0.0)
    outside = np.maximum(squares - upper, lower - squares)
    return math.sqrt(float(squares[outside.argmin()]))


def complexity_stopping_time(
    eigenvalues: Float[np.ndarray, " m"],
    *,
    sigma: float,
    step: float,
    theta: float = 0.0,
    radius: float = 1.0,
    most: int = 10**9,
) -> int:
    """After how many steps to stop, from what the kernel's eigenvalues on the training rows say of its complexity.

    Args:
        eigenvalues: Of the matrix of kernel values, divided by the number of rows.
        sigma: Deviation of the noise.
        step: The first step's size, at most 1 and at most 1 over the largest eigenvalue.
        theta: How fast steps become smaller.
        radius: What the norm of the truth in the kernel's space is at most.
        most: Steps beyond which the answer does not matter.

    >>> complexity_stopping_time(np.array([1.0, 0.25, 0.0, 0.0]), sigma=0.1, step=0.25)
    27
    """
    check_number("step", step, low=0, open="(")
    square = step * critical_radius(eigenvalues, sigma=sigma / radius) ** 2
    reach = 1 / square if square else math.inf
    if theta == 0:
        return math.floor(min(reach, most))
    done, sum_before = 0, 0.0
    while done < most:
        sums = sum_before + np.cumsum(np.arange(done + 1, min(done + CHUNK, most) + 1, dtype=np.float64) ** -theta)
        if sums[-1] > reach:
            return done + int((sums <= reach).sum())
        done, sum_before = done + len(sums), float(sums[-1])
    return most


def descent_filter(
    eigenvalues: Float[np.ndarray, " m"], steps: Int64[np.ndarray, " S"], *, step: float, theta: float = 0.0
) -> Float[np.ndarray, "S m"]:
    """The share that is learned of each component after each of some numbers of steps.

    Args:
        eigenvalues: At most `1 / step`.
        steps: Whole numbers in ascending order.
        step: The first step's size.
        theta: How fast steps become smaller.

    >>> descent_filter(np.array([1.0, 0.5, 0.0]), np.array([0, 1, 2]), step=1.0).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.5, 0.0], [1.0, 0.75, 0.0]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if theta == 0:
            logs = np.asarray(steps)[:, None] * np.log1p(-np.minimum(step * eigenvalues, 1))
            logs[np.asarray(steps) == 0] = 0
        else:
            logs = _summed_logs(np.asarray(eigenvalues), np.asarray(steps), step, theta)
        return np.asarray(0.0 - np.expm1(logs))


def _summed_logs(
    eigenvalues: Float[np.ndarray, " m"], steps: Int64[np.ndarray, " S"], step: float, theta: float
) -> Float[np.ndarray, "S m"]:
    """The logarithm of the share that is not learned, for steps that become smaller."""
    found, total, done = np.empty((len(steps), len(eigenvalues))), np.zeros(len(eigenvalues)), 0
    for row, goal in enumerate(steps):
        while done < goal:
            last = min(done + CHUNK, int(goal))
            sizes = step * np.arange(done + 1, last + 1, dtype=np.float64) ** -theta
            total = total + np.log1p(-np.minimum(np.outer(sizes, eigenvalues), 1)).sum(0)
            done = last
        found[row] = total
    return found


def ridge_filter(eigenvalues: Float[np.ndarray, " m"], decay: float) -> Float[np.ndarray, " m"]:
    """The share that ridge regression learns of each component; `decay` weighs half the squared norm.

    >>> ridge_filter(np.array([1.0, 0.5, 0.0]), 0.5).round(4).tolist()
    [0.6667, 0.5, 0.0]
    """
    return np.asarray(eigenvalues / (eigenvalues + decay))


def equivalent_decay(steps: int, *, step: float) -> float:
    """The weight decay whose solution gradient descent is nearest to after so many steps, for small eigenvalues.

    >>> equivalent_decay(1000, step=0.1)
    0.01
    """
    if steps < 1:
        raise refusal("steps", "be at least 1", steps)
    return 1 / (steps * step)
