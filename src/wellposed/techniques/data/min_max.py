r"""Min-max scaling: each feature fills one range over the training rows; images per channel.

$$x' = l + (h - l)\,\frac{x - \min_n x_n}{\max_n x_n - \min_n x_n}$$

A feature that is constant becomes $l$. Later rows may leave the range. Good for bounded features, such as pixels; bad
where one outlier takes the range and leaves the rest squeezed together (see `Robust`).

Source: Han, Kamber & Pei, Data mining, 2012, section 3.5.2; scikit-learn, `preprocessing.MinMaxScaler`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import check_number, refusal
from wellposed.techniques.places import DataTechnique
from wellposed.techniques.technique import Technique


def measure_range(
    x: Float[Tensor, "N C ..."], weight: Float[Tensor, " N"] | None = None
) -> tuple[Float[Tensor, "C ..."], Float[Tensor, "C ..."]]:
    """Lowest and highest value of each column, or channel, in a shape that broadcasts over rows. Usable alone.

    Rows of weight 0 do not count.

    >>> measure_range(torch.tensor([[1.0, 5.0], [3.0, 4.0]]))
    (tensor([1., 4.]), tensor([3., 5.]))
    """
    x = x if weight is None else x[weight > 0]
    dims, shape = (0, *range(2, x.dim())), (-1, *[1] * (x.dim() - 2))
    return x.amin(dims).view(shape), x.amax(dims).view(shape)


@dataclass(frozen=True, kw_only=True)
class MinMax(DataTechnique):
    """Give every feature one lowest and one highest value.

    Args:
        low: The lowest.
        high: The highest.
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("MinMax.low", self.low)
        check_number("MinMax.high", self.high)
        if not self.low < self.high:
            raise refusal("MinMax.high", f"be above low, {self.low:g}", self.high)

    def fit(self, x: Float[Tensor, "N *shape"], weight: Float[Tensor, " N"] | None) -> dict[str, Tensor]:
        lowest, highest = measure_range(x, weight)
        return {"lowest": lowest, "range": torch.where(highest > lowest, highest - lowest, 1)}

    def data(self, x: Float[Tensor, "N *shape"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "N *shape"]:
        share = (x - fitted["lowest"]) / fitted["range"]
        return torch.lerp(x.new_tensor(self.low), x.new_tensor(self.high), share)
