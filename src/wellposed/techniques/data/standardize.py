r"""Standardization: each feature gets mean 0 and variance 1 over the training rows; images per channel.

$$x' = \frac{x - \mu}{\sigma}, \qquad \mu = \frac{\sum_n w_n x_n}{\sum_n w_n}, \qquad
\sigma^2 = \frac{\sum_n w_n (x_n - \mu)^2}{\sum_n w_n}$$

A feature that is constant is only centred.

Source: LeCun, Bottou, Orr & Müller, Efficient BackProp, 1998, section 4.3,
http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import DataTechnique


def measure_moments(
    x: Float[Tensor, "N C ..."], weight: Float[Tensor, " N"] | None = None
) -> tuple[Float[Tensor, "C ..."], Float[Tensor, "C ..."]]:
    """Mean and (biased) standard deviation of each column, or channel, in a shape that broadcasts over rows.

    The deviation of a constant column is given as 1. Rows of weight 0 do not count. Usable alone.

    >>> mean, scale = measure_moments(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> mean, scale
    (tensor([2., 5.]), tensor([1., 1.]))
    """
    dims = (0, *range(2, x.dim()))
    if weight is None:
        variance, mean = torch.var_mean(x, dims, correction=0)
    else:
        x, weight = x[weight > 0], weight[weight > 0].double()
        share = (weight / (weight.sum() * (x[0, 0].numel()))).view(-1, *[1] * (x.dim() - 1))
        mean = (share * x).sum(dims)
        centred = x - mean.view(-1, *[1] * (x.dim() - 2))
        variance = (share * centred.square()).sum(dims)
    deviation = variance.sqrt().to(x.dtype)
    varied = (x.amax(dims) > x.amin(dims)) & (deviation > 0)
    shape = (-1, *[1] * (x.dim() - 2))
    return mean.to(x.dtype).view(shape), torch.where(varied, deviation, 1).view(shape)


@dataclass(frozen=True, kw_only=True)
class Standardize(DataTechnique):
    """Give every feature mean 0 and variance 1, as networks' starting weights expect."""

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        mean, scale = measure_moments(x, weight)
        return {"mean": mean, "scale": scale}

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        return (x - fitted["mean"]) / fitted["scale"]
