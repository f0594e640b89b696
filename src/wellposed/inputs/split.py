"""Which rows are held out: shuffled, stratified by class, whole groups together; a function of the seed alone."""

import numpy as np
from jaxtyping import Int64

from wellposed.checks import refusal
from wellposed.inputs.dataset import Task


def holdout(
    task: Task, target: np.ndarray, *, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[Int64[np.ndarray, " M"], Int64[np.ndarray, " V"]]:
    """Positions of the training rows and of the held-out rows, both shuffled and neither empty.

    Classification is stratified: the held-out rows have the proportions of all rows, as near as whole rows allow, and
    at least one row of every class stays in training, so a class with a single row is never held out. Where this
    leaves nothing to hold out (every class has one row), rows are drawn without regard to class. With `groups`, whole
    groups are drawn until the share is reached as nearly as they allow, without regard to class.

    Args:
        task: What is asked.
        target: `N` labels or numbers; numbers do not matter.
        share: Share of the rows to hold out, between 0 and 1.
        seed: The same seed gives the same rows.
        groups: `N` labels of rows that must not be parted, such as one person's or one sequence's.

    >>> train, held = holdout("classification", np.array(list("aaabbb")), share=0.34, seed=0)
    >>> len(train), sorted("aaabbb"[i] for i in held)
    (4, ['a', 'b'])
    """
    n = len(target)
    if not 0 < share < 1:
        raise refusal("The share of held-out rows", "be between 0 and 1", share)
    if n < 2:
        raise refusal("The rows to split", "be at least 2", n)
    draw = np.random.default_rng(seed)
    n_held = min(max(round(share * n), 1), n - 1)
    if groups is not None:
        held = _whole_groups(groups, n_held, draw)
    elif task == "classification":
        held = _stratified(target, n_held, draw)
    else:
        held = draw.permutation(n)[:n_held]
    kept = np.setdiff1d(np.arange(n), held)
    return draw.permutation(kept), draw.permutation(held)


def _stratified(target: np.ndarray, n_held: int, draw: np.random.Generator) -> Int64[np.ndarray, " V"]:
    codes = np.unique(np.asarray([str(label) for label in target.tolist()]), return_inverse=True)[1].reshape(-1)
    counts = np.bincount(codes)
    if counts.max() == 1:
        return draw.permutation(len(codes))[:n_held]
    quota = counts * (n_held / len(codes))
    taken = np.minimum(np.floor(quota).astype(np.int64), counts - 1)
    # the rows still to hold out go to the classes that are furthest below their quota; equals in random order
    while taken.sum() < min(n_held, (counts - 1).sum()):
        short = np.where(taken < counts - 1, quota - taken, -np.inf)
        taken[draw.permutation(np.flatnonzero(short == short.max()))[0]] += 1
    order = draw.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, shuffled within
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(order[rank < taken[codes[order]]])


def _whole_groups(groups: np.ndarray, n_held: int, draw: np.random.Generator) -> Int64[np.ndarray, " V"]:
    codes = np.unique(np.asarray([str(label) for label in groups.tolist()]), return_inverse=True)[1].reshape(-1)
    counts = np.bincount(codes)
    if len(counts) < 2:
        raise refusal("The groups to split", "be at least 2", len(counts))
    order = draw.permutation(len(counts))
    sums = np.cumsum(counts[order])[:-1]  # at least one group stays
    n_groups = int(np.abs(sums - n_held).argmin()) + 1
    return np.flatnonzero(np.isin(codes, order[:n_groups]))
