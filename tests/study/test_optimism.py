"""Pure noise, where the truth is known; simulated studies, where it is too; the slow version; a normal integral."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.study.optimism import best_of, optimism


def one_hot(classes: np.ndarray) -> Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(classes), 2).float()


def guesses(right: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Answers of classifiers that are right with these chances, each by itself, and the truth."""
    y = rng.integers(0, 2, size=n)
    wrong = rng.random((len(right), n)) >= right[:, None]
    return one_hot(np.where(wrong, 1 - y, y)), torch.from_numpy(y)


def test_noise_is_at_chance_after_all() -> None:
    """64 classifiers that guess, 100 rows, 40 studies: apparently 0.62, corrected 0.5.

    The mean of 40 corrected values has a standard error of 0.003 or so; the test allows 0.015, a false alarm in less
    than one of 10,000 seeds.
    """
    rng = np.random.default_rng(0)
    found = [optimism(*guesses(np.full(64, 0.5), 100, rng), score="accuracy", seed=i, resamples=200) for i in range(40)]
    assert np.mean([f.apparent for f in found]) > 0.6
    assert abs(np.mean([f.corrected.estimate for f in found]) - 0.5) < 0.015
    assert all(f.optimism == pytest.approx(f.apparent - f.corrected.estimate) for f in found)
    assert np.mean([0.5 in f.corrected for f in found]) >= 0.9


def test_simulated_studies_are_corrected_to_the_truth() -> None:
    """32 trials of 0.6 to 0.8, 100 rows, 100 studies: the chosen one's true accuracy is known each time.

    Corrected is lower than the truth by a little (the choice is made by fewer rows), never higher beyond three
    standard errors; apparent is too high by far more. The 95 % intervals hold the truth at least 95 times.
    """
    rng = np.random.default_rng(1)
    apparent, corrected, held = [], [], []
    for i in range(100):
        right = rng.uniform(0.6, 0.8, size=32)
        answers, y = guesses(right, 100, rng)
        truth = float(right[int((answers.argmax(-1) == y).double().mean(1).argmax())])
        found = optimism(answers, y, score="accuracy", seed=i, resamples=200)
        apparent.append(found.apparent - truth)
        corrected.append(found.corrected.estimate - truth)
        held.append(truth in found.corrected)
    error = np.std(corrected, ddof=1) / math.sqrt(100)
    assert np.mean(apparent) > 0.05
    assert -0.03 < np.mean(corrected) < 3 * error
    assert sum(held) >= 95


@pytest.mark.parametrize("score", ["accuracy", "log_loss", "squared_error"])
def test_one_trial_is_not_optimistic(score: str) -> None:
    """The mean out of the bag is the mean: but for the noise of 4,000 resamples, 4 standard errors of which pass."""
    rng = np.random.default_rng(2)
    if score == "squared_error":
        answers, y = torch.from_numpy(rng.normal(size=(1, 50, 1))), torch.from_numpy(rng.normal(size=(50, 1)))
    else:
        answers = torch.from_numpy(rng.dirichlet([1, 1, 1], size=(1, 50)))
        y = torch.from_numpy(rng.integers(0, 3, size=50))
    found = optimism(answers, y, score=score, seed=0, resamples=4000)  # type: ignore[arg-type]
    width = found.corrected.high - found.corrected.low
    assert abs(found.optimism) < 4 * width / 3.9 / math.sqrt(4000)
    assert found.chosen_share == 1.0


@pytest.mark.parametrize("score", ["accuracy", "log_loss", "squared_error"])
def test_it_equals_the_slow_version(score: str) -> None:
    """One resample at a time, by indices of rows."""
    rng = np.random.default_rng(3)
    if score == "squared_error":
        answers, y = torch.from_numpy(rng.normal(size=(5, 30, 1))), torch.from_numpy(rng.normal(size=(30, 1)))
        losses = (answers - y).squeeze(-1).square().numpy()
    else:
        answers = torch.from_numpy(rng.dirichlet([1, 1, 1], size=(5, 30)))
        y = torch.from_numpy(rng.integers(0, 3, size=30))
        p = answers.numpy()[:, np.arange(30), y.numpy()]
        losses = -np.log(p) if score == "log_loss" else -(answers.numpy().argmax(-1) == y.numpy()).astype(float)
    found = optimism(answers, y, score=score, seed=7, resamples=50)  # type: ignore[arg-type]
    counts = np.random.default_rng(7).multinomial(30, np.full(30, 1 / 30), size=50)
    judged, again = [], []
    for count in counts:
        drawn = np.repeat(np.arange(30), count)
        left = np.setdiff1d(np.arange(30), drawn)
        inside = losses[:, drawn].mean(1)
        judged.append(losses[np.round(inside, 12).argmin(), left].mean())
        again.append(inside[losses.mean(1).argmin()] <= inside.min() + 1e-12)
    sign = -1 if score == "accuracy" else 1
    assert found.corrected.estimate == pytest.approx(sign * np.mean(judged))
    ends = sorted(sign * np.quantile(judged, [0.025, 0.975]))
    assert (found.corrected.low, found.corrected.high) == pytest.approx(tuple(ends))
    assert found.apparent == pytest.approx(sign * losses.mean(1).min())
    assert found.chosen_share == pytest.approx(np.mean(again))


def test_the_same_seed_gives_the_same_and_few_rows_do_too() -> None:
    rng = np.random.default_rng(4)
    answers, y = guesses(np.array([0.5, 0.9]), 2, rng)
    first, second = (optimism(answers, y, score="accuracy", seed=0, resamples=20) for _ in range(2))
    assert first == second
    assert (first.n_trials, first.n_rows) == (2, 2)


def test_it_reads_well() -> None:
    rng = np.random.default_rng(5)
    found = optimism(*guesses(np.full(16, 0.5), 60, rng), score="accuracy", seed=0)
    assert str(found).startswith("The best of 16 has accuracy 0.")
    assert "worse" in str(found)
    assert found.to_frame().iloc[0].to_dict() == found.to_json()


@pytest.mark.parametrize(
    ("answers", "change", "message"),
    [
        (torch.zeros(0, 5, 2), {}, "answers must hold at least one trial"),
        (torch.zeros(2, 1, 2), {}, "answers must hold at least one trial and two rows"),
        (torch.full((1, 5, 2), torch.nan), {}, "answers must be finite"),
        (torch.zeros(1, 5, 2), {"score": "auc"}, "score must be"),
        (torch.zeros(1, 5, 2), {"resamples": 0}, "resamples must be"),
        (torch.zeros(1, 5, 2), {"level": 1.0}, "level must be in"),
    ],
)
def test_refuses(answers: Tensor, change: dict[str, object], message: str) -> None:
    y = torch.zeros(answers.shape[1], dtype=torch.int64)
    with pytest.raises(BadInput, match=message):
        optimism(answers, y, **{"score": "accuracy", "seed": 0, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(("gap", "sd"), [(0.0, (1.0, 1.0)), (0.5, (1.0, 2.0)), (3.0, (0.1, 4.0)), (1.0, (1e-3, 1.0))])
def test_of_two_the_chance_is_a_normal_integral(gap: float, sd: tuple[float, float]) -> None:
    """P(Z_1 < Z_2) = Phi((mu_2 - mu_1) / sqrt(V_1 + V_2)), to the width of the steps."""
    expected = stats.norm.cdf(gap / math.hypot(*sd))
    assert best_of([0.0, gap], np.square(sd)).weights == pytest.approx([expected, 1 - expected], abs=2e-4)


def test_of_many_the_chances_are_as_often_as_drawn() -> None:
    """200,000 draws: standard errors of at most 0.0012; five of them pass."""
    rng = np.random.default_rng(6)
    mean, variance = rng.normal(size=12), rng.uniform(0.01, 1.0, size=12)
    draws = rng.normal(mean, np.sqrt(variance), size=(200_000, 12)).argmin(1)
    found = best_of(mean, variance)
    assert found.weights == pytest.approx(np.bincount(draws, minlength=12) / 200_000, abs=0.006)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.mean == pytest.approx(found.weights @ mean)
    assert found.variance == pytest.approx(found.weights @ (mean**2 + variance) - found.mean**2)


def test_other_rows_judge() -> None:
    """Equations 5 and 6 by hand, with weights of a half each: the mean 0.3, the variance 0.01 + 0.1^2."""
    found = best_of([0.1, 0.1], [1e-4, 1e-4], judged=[0.2, 0.4], judged_variances=[0.01, 0.01])
    assert found.mean == pytest.approx(0.3)
    assert found.variance == pytest.approx(0.02)


def test_what_is_known_exactly() -> None:
    """No variance at all: the least counts alone, equals share; a thousand trials take no time."""
    assert best_of([3.0, 1.0, 2.0], [0.0, 0.0, 0.0]).weights == pytest.approx([0, 1, 0])
    assert best_of([1.0, 1.0, 2.0], [0.0, 0.0, 0.0]).weights == pytest.approx([0.5, 0.5, 0])
    assert best_of([1.0], [0.0]).mean == 1.0
    many = best_of(np.full(1000, 0.5), np.full(1000, 0.01))
    assert many.weights == pytest.approx(np.full(1000, 1e-3), rel=1e-6)


@pytest.mark.parametrize(
    ("scores", "variances"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [-1.0]), ([math.nan], [1.0]), ([[1.0]], [[1.0]])]
)
def test_best_of_refuses(scores: list[float], variances: list[float]) -> None:
    with pytest.raises(BadInput):
        best_of(scores, variances)
