r"""Whitening: what PCA's and ZCA's have in common.

With $\Sigma = U \Lambda U^\top$ the covariance of the (flattened) training rows, every $W$ with $W^\top \Sigma\,W = I$
whitens: the columns of $(x - \mu)\,W$ are uncorrelated and of variance 1. Where there are fewer rows than features,
$\Sigma$ is a bad estimate, and shrinking it towards a multiple of the identity, $(1 - s)\,\Sigma + s\,\bar\lambda I$,
is a better one.

Source: Kessy, Lewin & Strimmer, Optimal whitening and decorrelation, 2018, https://arxiv.org/abs/1512.00809; shrinkage:
Ledoit & Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004, section 3.3,
https://doi.org/10.1016/S0047-259X(03)00096-4.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_number, refusal

Shrinkage: TypeAlias = float | Literal["auto"]

BLOCK = 64
"""Rows that are multiplied at once. Always as many, so that a row's result does not hang on how many come with it."""


def check_whitening(name: str, eps: object, shrinkage: object) -> None:
    """Refuse what the two techniques refuse."""
    check_number(f"{name}.eps", eps, low=0)
    if shrinkage != "auto":
        if isinstance(shrinkage, str):
            raise refusal(f"{name}.shrinkage", "be in [0, 1] or 'auto'", shrinkage)
        check_number(f"{name}.shrinkage", shrinkage, low=0, high=1)


def measure_covariance(
    x: Float[Tensor, "N D"], weight: Float[Tensor, " N"] | None = None, *, shrinkage: Shrinkage = 0.0
) -> tuple[Float[Tensor, " D"], Float[Tensor, "D D"]]:
    """Mean and (biased) covariance of rows, shrunk towards a multiple of the identity. Usable alone.

    Rows of weight 0 do not count. "auto" is the shrinkage of Ledoit and Wolf: the share of the distance to the identity
    that is error of estimation.

    >>> measure_covariance(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    (tensor([1., 2.]), tensor([[1., 2.],
            [2., 4.]]))
    """
    share = torch.ones_like(x[:, 0]) if weight is None else weight.to(x.dtype)
    x, share = x[share > 0], share[share > 0]
    share = share / share.sum()
    mean = share @ x
    centred = x - mean
    covariance = centred.mT @ (centred * share.unsqueeze(1))
    level = covariance.trace() / len(covariance)
    identity = torch.eye(len(covariance), dtype=x.dtype, device=x.device)
    if shrinkage == "auto":
        size = covariance.square().sum()
        apart = size - level * covariance.trace()
        error = share.square().sum() * ((share * centred.square().sum(1).square()).sum() - size)
        amount = torch.where(apart > 0, error / apart, 0).clamp(0, 1)
    else:
        amount = torch.as_tensor(shrinkage, dtype=x.dtype, device=x.device)
    return mean, torch.lerp(covariance, level * identity, amount)


def principal_axes(covariance: Float[Tensor, "D D"], *, eps: float) -> tuple[Float[Tensor, "D D"], Float[Tensor, " D"]]:
    """The axes as columns, largest variance first, and by what to multiply each; 0 where nothing varies. Usable alone.

    The largest entry of each axis is positive, so that one covariance has one answer.

    >>> principal_axes(torch.tensor([[4.0, 0.0], [0.0, 0.0]]), eps=0.0)[1]
    tensor([0.5000, 0.0000])
    """
    values, axes = torch.linalg.eigh(covariance)
    values, axes = values.flip(0), axes.flip(1)
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    varied = values > values[0] * len(values) * torch.finfo(values.dtype).eps
    return axes * torch.where(largest < 0, -1.0, 1.0).to(axes.dtype), torch.where(varied, (values + eps).rsqrt(), 0)


def iterate_inverse_root(covariance: Float[Tensor, "... D D"], steps: int = 5) -> Float[Tensor, "... D D"]:
    r"""$\Sigma^{-1/2}$ by Newton's iteration, without eigenvectors, as iterative normalization does. Usable alone.

    $$P_0 = I, \quad P_k = \tfrac12 (3 P_{k-1} - P_{k-1}^3 \Sigma_N), \quad \Sigma_N = \Sigma / \mathrm{tr}\,\Sigma,
    \quad \Sigma^{-1/2} \approx P_T / \sqrt{\mathrm{tr}\,\Sigma}$$

    It is carried out with $P_k \Sigma_N$ beside $P_k$, which is the same but does not let rounding errors grow.

    Source: Huang et al., Iterative normalization, 2019, https://arxiv.org/abs/1904.03441, equations 5 and 6.

    >>> iterate_inverse_root(torch.diag(torch.tensor([4.0, 1.0])), 20)
    tensor([[0.5000, 0.0000],
            [0.0000, 1.0000]])
    """
    trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    normed = covariance / trace
    identity = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    root, other = identity.expand_as(covariance), normed
    for _ in range(steps):
        factor = (3 * identity - root @ other) / 2
        root, other = factor @ root, other @ factor
    return root / trace.sqrt()


def map_rows(x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
    """`(x - mean) matrix` of each flattened row, in the shape it had. Usable alone."""
    flat = x.flatten(1) - fitted["mean"]
    padded = flat.new_zeros(-len(flat) % BLOCK, flat.shape[1])
    whole = torch.cat([flat, padded]).view(-1, BLOCK, flat.shape[1])
    mapped = torch.cat([block @ fitted["matrix"] for block in whole]) if len(x) else flat
    return mapped[: len(x)].reshape(x.shape)
