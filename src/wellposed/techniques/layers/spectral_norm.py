r"""Spectral normalization: a layer's weights are divided by their largest singular value.

$$W_{\mathrm{SN}} = \frac{W}{\sigma(W)}, \qquad \sigma(W) \approx u^\top W v, \qquad
u \leftarrow \frac{W v}{\lVert W v \rVert}, \quad v \leftarrow \frac{W^\top u}{\lVert W^\top u \rVert}$$

Kernels count as matrices `(out, in H W)`. `u` and `v` are kept from step to step; a forward pass in training iterates
once, an answer not at all. In gradients `u` and `v` are constants.

Good where slopes must be bounded: discriminators, contractions, robustness. Bad as a plain regularizer of small nets: a
slope of 1 in each layer is little, and the whole scale must be learned by the last one.

Source: Miyato et al., Spectral Normalization for Generative Adversarial Networks, 2018,
https://arxiv.org/abs/1802.05957, equations 8, 10 and 11, algorithm 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_count, check_number
from wellposed.random import make_key, normal
from wellposed.techniques.layers.parametrizing import refuse_zeros, start_alone_
from wellposed.techniques.places import ParametrizationTechnique
from wellposed.techniques.stacked import Parametrization
from wellposed.techniques.technique import Technique

WARM_UP = 15
"""Iterations at step 0, as many as PyTorch's."""


def iterate_power(
    weight: Float[Tensor, "K out in"], v: Float[Tensor, "K in"], *, iterations: int = 1, eps: float = 1e-12
) -> tuple[Float[Tensor, "K out"], Float[Tensor, "K in"]]:
    """Vectors `u` and `v` nearer to those of the largest singular value, from `v`. Usable alone.

    >>> iterate_power(torch.tensor([[[3.0, 0.0], [0.0, 1.0]]]), torch.tensor([[0.6, 0.8]]), iterations=20)
    (tensor([[1.0000e+00, ...]]), tensor([[1.0000e+00, ...]]))
    """
    u = v
    for _ in range(iterations):
        u = F.normalize((weight * v.unsqueeze(1)).sum(2), dim=1, eps=eps)  # a third of the time of `bmm`
        v = F.normalize(torch.bmm(u.unsqueeze(1), weight).squeeze(1), dim=1, eps=eps)
    return u, v


def divide_by_singular_value(
    weight: Float[Tensor, "K out in"], u: Float[Tensor, "K out"], v: Float[Tensor, "K in"]
) -> Float[Tensor, "K out in"]:
    """Weights over `u^T W v`. Usable alone.

    >>> first = torch.tensor([[1.0, 0.0]])
    >>> divide_by_singular_value(torch.tensor([[[4.0, 0.0], [0.0, 1.0]]]), first, first)
    tensor([[[1.0000, 0.0000],
             [0.0000, 0.2500]]])
    """
    sigma = (torch.bmm(u.unsqueeze(1), weight).squeeze(1) * v).sum(1)
    return weight * sigma.reciprocal().view(-1, 1, 1)


@dataclass(frozen=True, kw_only=True)
class SpectralNorm(ParametrizationTechnique):
    """Divide the weights of each layer by their largest singular value.

    In your own network: `torch.nn.utils.parametrize.register_parametrization(layer, "weight",
    SpectralNorm().parametrization(tuple(layer.weight.shape)))`.

    Args:
        iterations: Of the power method, at each forward pass in training.
        eps: Least length that a vector is divided by.
    """

    iterations: int = 1
    eps: float = 1e-12

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("SpectralNorm.iterations", self.iterations)
        check_number("SpectralNorm.eps", self.eps, low=0, open="(")

    def parametrization(self, shape: tuple[int, ...]) -> Parametrization:
        return StackedSpectralNorm(self, shape)


class StackedSpectralNorm(Parametrization):
    """From weights `(out, in, ...)` to weights of spectral norm 1.

    At step 0 `v` is a fixed vector of normal numbers, the same for all, iterated 15 times on each member's weights.
    """

    u: Tensor
    v: Tensor

    def __init__(self, technique: SpectralNorm, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.technique = technique
        self.shape = shape
        self.iterations, self.eps = technique.iterations, technique.eps
        self.register_buffer("u", _fixed(shape[0]))
        self.register_buffer("v", _fixed(math.prod(shape[1:])))

    def stacked(self, tensors: Mapping[str, Tensor], x: Float[Tensor, "K out in ..."]) -> Tensor:
        flat, u, v = x.flatten(2), tensors["u"].clone(), tensors["v"].clone()  # backward needs those of this pass
        if self.training:
            with torch.no_grad():
                u, v = iterate_power(flat, v, iterations=self.iterations, eps=self.eps)
                tensors["u"].copy_(u)
                tensors["v"].copy_(v)
        return divide_by_singular_value(flat, u, v).view(x.shape)

    def start(self, weight: Float[Tensor, "K out in ..."]) -> dict[str, Tensor]:
        flat = weight.detach().flatten(2)
        refuse_zeros("SpectralNorm", torch.linalg.vector_norm(flat, dim=(1, 2)), "matrices")
        v = _fixed(flat.shape[2]).to(flat).expand(len(flat), -1)
        u, v = iterate_power(flat, v, iterations=WARM_UP, eps=self.eps)
        return {"u": u, "v": v}

    def right_inverse(self, weight: Float[Tensor, "out in ..."]) -> Float[Tensor, "out in ..."]:
        """The weight itself: how `parametrize` starts, and assigns."""
        start_alone_(self, weight, self.shape)
        return weight


def _fixed(n: int) -> Float[Tensor, " n"]:
    """A vector of length 1 that is no more along one axis than along another."""
    key = make_key(torch.tensor(0), step=0, place="spectral norm")
    return F.normalize(normal(key, (n,), dtype=torch.float64), dim=0).float()
