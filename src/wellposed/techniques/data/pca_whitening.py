r"""PCA whitening: rows in the coordinates of their principal axes, each of variance 1, the largest first.

$$x' = (x - \mu)\,U\,(\Lambda + \epsilon I)^{-1/2}, \qquad \Sigma = U \Lambda U^\top$$

Rows of several axes are flattened, and keep their shape, not their sense: use `ZCAWhitening` before convolutions. Axes
along which the training rows do not vary become 0. Good for tables of correlated features, which learn faster
uncorrelated; bad where noise has small variance, which whitening makes as loud as the rest (raise `eps` or
`shrinkage`).

Source: Kessy, Lewin & Strimmer, Optimal whitening and decorrelation, 2018, https://arxiv.org/abs/1512.00809, section 3;
why it helps: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, section 4.3; $\epsilon$: Stanford's course cs231n.
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


def find_pca(covariance: Float[Tensor, "D D"], *, eps: float = 1e-5) -> Float[Tensor, "D D"]:
    """The matrix `U (L + eps)^(-1/2)`, to be multiplied from the right. Usable alone.

    >>> import torch
    >>> find_pca(torch.tensor([[1.0, 0.0], [0.0, 4.0]]), eps=0.0)
    tensor([[0.0000, 1.0000],
            [0.5000, 0.0000]])
    """
    axes, scale = principal_axes(covariance, eps=eps)
    return axes * scale


@dataclass(frozen=True, kw_only=True)
class PCAWhitening(DataTechnique):
    """Make features uncorrelated and of variance 1, in the order of the variance that they had.

    Args:
        eps: Added to every variance before its root, so that what hardly varies is not blown up.
        shrinkage: How far the covariance is drawn towards a multiple of the identity, from 0 to 1, or "auto" for the
            estimate of Ledoit and Wolf, which is more the fewer rows there are for the features.
    """

    eps: float = 1e-5
    shrinkage: Shrinkage = 0.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_whitening("PCAWhitening", self.eps, self.shrinkage)

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        mean, covariance = measure_covariance(x.flatten(1).double(), weight, shrinkage=self.shrinkage)
        return {"mean": mean.to(x.dtype), "matrix": find_pca(covariance, eps=self.eps).to(x.dtype)}

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        return map_rows(x, fitted)
