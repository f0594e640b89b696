r"""Robust scaling: median to 0, interquartile range to 1, and what lies far out is drawn in smoothly to within 3.

$$z = \frac{x - q_{1/2}}{q_{3/4} - q_{1/4}}, \qquad x' = \frac{z}{\sqrt{1 + (z/3)^2}}$$

Where the quartiles are equal, half the range takes their place; a constant feature is only centred.

Source: Holzmüller, Grinsztajn & Steinwart, Better by default, 2024, https://arxiv.org/abs/2407.04491, section 3 and
appendix A (there a constant feature becomes 0, which is the same on the training rows).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.techniques.places import DataTechnique


def find_quantiles(
    values: Float[Tensor, " N"], shares: Sequence[float], weight: Float[Tensor, " N"] | None = None
) -> Float[Tensor, " Q"]:
    """Quantiles with linear interpolation between neighbours, as of NumPy; of any number of values. Usable alone.

    A row of twice the smallest weight counts as two rows, and so on; so equal weights change nothing, whatever their
    size. Rows of weight 0 do not count.

    >>> find_quantiles(torch.tensor([4.0, 1.0, 2.0, 3.0]), [0.5, 0.75])
    tensor([2.5000, 3.2500])
    >>> find_quantiles(torch.tensor([1.0, 2.0, 7.0]), [0.5], torch.tensor([0.2, 0.2, 0.4]))
    tensor([4.5000])
    """
    if weight is not None:
        values, weight = values[weight > 0], weight[weight > 0].double()
    ordered, order = values.sort()
    n = torch.tensor(float(len(values)), dtype=torch.float64, device=values.device)
    counted = None
    if weight is not None:
        counted = (weight[order] / weight.min()).cumsum(0)
        n = counted[-1]
    position = (n - 1) * torch.tensor(shares, dtype=torch.float64, device=values.device)
    whole = position.round()  # a value that was meant is met, whatever the rounding of its share
    position = torch.where((position - whole).abs() < 1e-12 * n, whole, position)
    low = position.floor()
    high = torch.minimum(low + 1, n - 1)
    if counted is not None:  # halves, so that a rounded sum of whole weights counts as whole
        places = torch.searchsorted(counted, torch.stack((low, high)) + 0.5).clamp_max(len(ordered) - 1)
    else:
        places = torch.stack((low, high)).long()
    return torch.lerp(ordered[places[0]], ordered[places[1]], (position - low).to(ordered.dtype))


def measure_spread(
    x: Float[Tensor, "N C ..."], weight: Float[Tensor, " N"] | None = None
) -> tuple[Float[Tensor, "C ..."], Float[Tensor, "C ..."]]:
    """Median and scale of each column, or channel, in a shape that broadcasts over rows. Usable alone.

    The scale is the interquartile range; where that is 0 half the range; where that is 0, too, 1.
    """
    if weight is not None:
        x, weight = x[weight > 0], weight[weight > 0]
        weight = weight.repeat_interleave(x[0, 0].numel())
    found = [find_quantiles(column.flatten(), (0.0, 0.25, 0.5, 0.75, 1.0), weight) for column in x.unbind(1)]
    lowest, first, median, third, highest = torch.stack(found, dim=1)
    scale = torch.where(third > first, third - first, (highest - lowest) / 2)
    shape = (-1, *[1] * (x.dim() - 2))
    return median.view(shape), torch.where(scale > 0, scale, 1).view(shape)


def clip_smoothly(x: Float[Tensor, "..."], *, limit: float = 3.0) -> Float[Tensor, "..."]:
    """`x / sqrt(1 + (x / limit)^2)`, which lies within `limit` and leaves values near 0 as they are. Usable alone.

    Written as the sine of an arctangent, which no square can overflow.

    >>> clip_smoothly(torch.tensor([0.01, 4.0, 1e30, float("inf")]))
    tensor([0.0100, 2.4000, 3.0000, 3.0000])
    """
    return limit * torch.sin(torch.atan(x / limit))


@dataclass(frozen=True, kw_only=True)
class Robust(DataTechnique):
    """Scale features by what their middle half says, so that outliers neither squeeze the rest nor stand far out.

    Args:
        clip: Draw in what lies far out.
    """

    clip: bool = True

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        median, scale = measure_spread(x, weight)
        return {"median": median, "scale": scale}

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        z = (x - fitted["median"]) / fitted["scale"]
        return clip_smoothly(z) if self.clip else z
