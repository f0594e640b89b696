r"""Time warp: a sequence runs faster here and slower there, and begins and ends where it did.

$$x'_t = x_{w(t)}, \qquad w(t) = (l - 1)\,\frac{\int_0^t v}{\int_0^{l-1} v}, \qquad v(\text{knot}_i) = e^{\sigma
\varepsilon_i}, \quad \varepsilon \sim \mathcal N(0, 1)$$

The speed $v$ is linear between the ends and `knots` points evenly spaced within, and its integral is taken by the
trapezoidal rule at the steps; $x$ between two steps is their linear mixture. All channels of a row share one warp; the
length $l$ stays, and so does the padding behind it. Um et al. draw the speeds from a normal distribution and join
them by a cubic spline, which runs backwards where it falls below 0; these speeds are always positive.

Good where tempo differs between people or trials; bad where durations are the answer. High frequencies are damped.

Source: Um et al., Data augmentation of wearable sensor data for Parkinson's disease monitoring, 2017,
https://arxiv.org/abs/1706.00527, section 3.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import check_count
from wellposed.random import Key
from wellposed.techniques.batch.kinds import check_kind
from wellposed.techniques.batch.positions import is_real
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, spread, strength


def draw_warp(
    length: Int64[Tensor, "K B"], size: int, deviation: Strength, *, knots: int = 4, key: Key
) -> Float[Tensor, "K B T"]:
    """For each of `size` steps the time at which it is read, rising from 0 to length - 1; later steps read themselves.

    Usable alone. `key` holds one number a member. Times are in float64, exact where the deviation is 0.

    >>> draw_warp(torch.tensor([[3]]), 4, 0.0, key=torch.tensor([1]))
    tensor([[[0., 1., 2., 3.]]], dtype=torch.float64)
    """
    noise = random.normal(key, (length.shape[1], knots + 2), dtype=torch.float64)
    speeds = (noise * spread(deviation, noise)).exp()
    steps = torch.arange(size, dtype=torch.float64, device=length.device)
    last = (length.clamp(min=2) - 1).unsqueeze(-1)
    at_speeds = (steps / last).clamp(max=1) * (knots + 1)
    speed = read_between(speeds.unsqueeze(-1), at_speeds).squeeze(-1)
    passed = ((speed[..., 1:] + speed[..., :-1]) / 2).cumsum(-1)
    passed = torch.cat((torch.zeros_like(speed[..., :1]), passed), dim=-1)
    total = passed.gather(-1, last.clamp(max=size - 1))
    warped = torch.minimum(passed * last / total, last)  # rounding might go past the end
    return torch.where(is_real(length, size) & (length > 1).unsqueeze(-1), warped, steps)


def read_between(x: Float[Tensor, "K B T D"], at: Float[Tensor, "K B S"]) -> Float[Tensor, "K B S D"]:
    """The values of each row at these times, by linear mixture of the steps before and after. Usable alone.

    >>> read_between(torch.tensor([[[[0.0], [10.0]]]]), torch.tensor([[[0.25]]]))
    tensor([[[[2.5000]]]])
    """
    before = at.floor().clamp(0, x.shape[2] - 1)
    rest = (at - before).unsqueeze(-1).to(x.dtype)
    index = before.to(torch.int64).unsqueeze(-1).expand(*at.shape, x.shape[-1])
    here = x.gather(2, index)
    after = x.gather(2, (index + 1).clamp(max=x.shape[2] - 1))
    return torch.where(rest > 0, torch.lerp(here, after, rest.expand_as(here)), here)


def warp_time(
    x: Float[Tensor, "K B T D"], length: Int64[Tensor, "K B"], deviation: Strength, *, knots: int = 4, key: Key
) -> Float[Tensor, "K B T D"]:
    """Each sequence at warped times. Usable alone.

    >>> x = torch.tensor([1.0, 2.0, 3.0, 0.0]).view(1, 1, 4, 1)
    >>> warp_time(x, torch.tensor([[3]]), 0.5, key=torch.tensor([1])).flatten()[[0, 2, 3]]
    tensor([1., 3., 0.])
    """
    return read_between(x, draw_warp(length, x.shape[2], deviation, knots=knots, key=key))


@dataclass(frozen=True, kw_only=True)
class TimeWarp(BatchTechnique):
    """Train on sequences of uneven tempo. For sequences only.

    Args:
        deviation: Of the logarithm of the speed at the knots; 0 changes nothing.
        knots: Points between the ends at which speeds are drawn; more of them, shorter changes of tempo.
    """

    deviation: Strength = strength(0.2, valid=(0.0, 5.0), search=(0.05, 1.0), log=True)
    knots: int = 4

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_count("TimeWarp.knots", self.knots, least=0)

    def batch(self, batch: Batch, key: Key) -> Batch:
        check_kind(self, batch, "sequences")
        x = warp_time(batch.x, batch.codes[..., 0], self.deviation, knots=self.knots, key=key)
        return batch._replace(x=x)
