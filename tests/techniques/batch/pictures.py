"""What the tests of techniques for images share: batches, SciPy's warp, and the frequencies of what can come out."""

import numpy as np
import torch
from scipy import ndimage, stats
from torch import Tensor

from wellposed.random import make_key
from wellposed.techniques.places import Batch, BatchTechnique, Facts


def images(*shape: int, seed: int = 0) -> Tensor:
    """Uniform pixels from 0 to 1 in float64."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch_of(x: Tensor, low: float = 0.0, high: float = 1.0) -> Batch:
    """A batch `K B C H W` whose channels all go from low to high."""
    facts = Facts(x.new_full(x.shape[2:3], low), x.new_full(x.shape[2:3], high))
    return Batch(x, torch.zeros(*x.shape[:2], 0, dtype=torch.int64), x.new_ones(*x.shape[:2], 2), None, facts)


def changed(technique: BatchTechnique, x: Tensor, *, low: float = 0.0, high: float = 1.0, seed: int = 1) -> Tensor:
    """The images that the technique makes of these."""
    return technique.batch(batch_of(x, low, high), make_key(torch.arange(len(x)), step=seed, place="images")).x


def equal_images(n: int, channels: int = 1, size: int = 8) -> Tensor:
    """One image, `n` times, for one member."""
    return images(1, 1, channels, size, size).repeat(1, n, 1, 1, 1)


def n_different(x: Tensor) -> int:
    """How many different images a member has."""
    return len(torch.unique(x.flatten(0, 1).flatten(1), dim=0))


def ramps(n: int, size: int = 9) -> Tensor:
    """Images of two channels, which say of each pixel how far right and how far down of the middle it is."""
    places = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    right, down = torch.meshgrid(places, places, indexing="xy")
    return torch.stack([right, down]).expand(1, n, 2, size, size).clone()


def matrices_seen(x: Tensor) -> Tensor:
    """The matrix `2 3` by which each image of ramps was moved, as seen around its middle."""
    middle = x.shape[-1] // 2
    right = (x[..., middle, middle + 1] - x[..., middle, middle - 1]) / 2
    down = (x[..., middle + 1, middle] - x[..., middle - 1, middle]) / 2
    return torch.stack([right, down, x[..., middle, middle]], dim=-1).squeeze(0)


def is_uniform(sample: Tensor, low: float, high: float) -> bool:
    """The test of Kolmogorov and Smirnov, at one false alarm in a million."""
    return bool(stats.kstest(sample.flatten().numpy(), "uniform", args=(low, high - low)).pvalue > 1e-6)


def warp_by_scipy(x: Tensor, matrix: Tensor, *, fill: str, low: float) -> Tensor:
    """Channels `C H W` moved by one matrix; SciPy counts rows first, and from the corner."""
    (a, b, t_x), (c, d, t_y) = matrix.tolist()
    rows = np.array([[d, c], [b, a]])
    middle = (np.array(x.shape[-2:]) - 1) / 2
    offset = middle + np.array([t_y, t_x]) - rows @ middle
    mode = "nearest" if fill == "nearest" else "grid-constant"
    moved = [
        ndimage.affine_transform(channel.numpy(), rows, offset, order=1, mode=mode, cval=low, prefilter=False)
        for channel in x
    ]
    return torch.from_numpy(np.stack(moved))


def outcomes_are_as_likely(found: Tensor, table: Tensor, mass: Tensor) -> bool:
    """Whether images `N ...` are among those of the table, and as frequent as their masses say: chi-square, 1e-6.

    Equal images of the table count as one; outcomes expected fewer than 5 times are put together.
    """
    groups, group = torch.unique((table.flatten(1) * 1e6).round(), dim=0, return_inverse=True)
    expected = torch.zeros(len(groups), dtype=torch.float64).index_add_(0, group, mass) * len(found)
    position = {tuple(row): n for n, row in enumerate(groups.tolist())}
    rows = [position.get(tuple(row), -1) for row in (found.flatten(1) * 1e6).round().tolist()]
    if -1 in rows:
        return False
    counts = torch.bincount(torch.tensor(rows), minlength=len(groups)).double()
    rare = expected < 5
    observed = torch.cat([counts[~rare], counts[rare].sum().view(1)])
    expected = torch.cat([expected[~rare], expected[rare].sum().view(1)])
    keep = expected > 0
    statistic = ((observed - expected)[keep].square() / expected[keep]).sum()
    return bool(stats.chi2.sf(float(statistic), int(keep.sum()) - 1) > 1e-6)
