r"""ZCA whitening: uncorrelated features of variance 1 that stay as near to the given ones as such features can.

$$x' = (x - \mu)\,U\,(\Lambda + \epsilon I)^{-1/2}\,U^\top, \qquad \Sigma = U \Lambda U^\top$$

The matrix is symmetric: of all whitenings it changes the rows least in the mean of squares, so pixels stay pixels. That
is also why decorrelated batch normalization whitens like this inside of networks: PCA's axes swap places from batch to
batch. Directions in which the training rows do not vary become 0. Good for images and for correlated features; bad
where noise has small variance, which whitening makes as loud as the rest (raise `eps` or `shrinkage`).

Source: Bell & Sejnowski, The "independent components" of natural scenes are edge filters, 1997, section 3,
https://doi.org/10.1016/S0042-6989(97)00121-1; nearest: Kessy, Lewin & Strimmer, 2018, https://arxiv.org/abs/1512.00809,
section 4.1; in networks: Huang et al., Decorrelated batch normalization, 2018, https://arxiv.org/abs/1804.08450.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.data.whitening import (
    Shrinkage,
    check_whitening,
    map_rows,
    measure_covariance,
    principal_axes,
)
from wellposed.techniques.places import DataTechnique
from wellposed.techniques.technique import Technique


def find_zca(covariance: Float[Tensor, "D D"], *, eps: float = 1e-5) -> Float[Tensor, "D D"]:
    """The matrix `U (L + eps)^(-1/2) U^T`, to be multiplied from the right. Usable alone.

    >>> import torch
    >>> find_zca(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), eps=0.0)
    tensor([[1.0000, 0.0000],
            [0.0000, 0.5000]])
    """
    axes, scale = principal_axes(covariance, eps=eps)
    return (axes * scale) @ axes.mT


@dataclass(frozen=True, kw_only=True)
class ZCAWhitening(DataTechnique):
    """Make features uncorrelated and of variance 1, and change them no more than that takes.

    Args:
        eps: Added to every variance before its root, so that what hardly varies is not blown up.
        shrinkage: How far the covariance is drawn towards a multiple of the identity, from 0 to 1, or "auto" for the
            estimate of Ledoit and Wolf, which is more the fewer rows there are for the features.
    """

    eps: float = 1e-5
    shrinkage: Shrinkage = 0.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_whitening("ZCAWhitening", self.eps, self.shrinkage)

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        mean, covariance = measure_covariance(x.flatten(1).double(), weight, shrinkage=self.shrinkage)
        return {"mean": mean.to(x.dtype), "matrix": find_zca(covariance, eps=self.eps).to(x.dtype)}

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        return map_rows(x, fitted)
