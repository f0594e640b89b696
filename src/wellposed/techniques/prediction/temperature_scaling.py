r"""Temperature scaling: logits are divided by one number a member, chosen so that its probabilities can be believed.

$$p(c \mid x) = \operatorname{softmax}_c(z(x) / T), \qquad
T = \arg\min_T \sum_n -\log \operatorname{softmax}_{y_n}(z(x_n) / T)$$

over validation rows. In $\beta = 1/T$ this is convex: the slope
$\operatorname{mean}_n(\operatorname{E}_p[z] - z_{y_n})$ never falls; its zero is found by halving a bracket, $T$ from
1/100 to 100, and then by Newton's method within it.

Good for networks that are too sure, as those trained to a loss near zero are; it changes no class. Bad where the error
of confidence differs between classes or regions: there is one number to learn. Numbers (one output) stay as they are.

Source: Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks, 2017,
https://arxiv.org/abs/1706.04599, section 4.2, equation 9.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.techniques.places import OutputTechnique

COLDEST, HOTTEST = 1e-2, 1e2
"""Bounds of the temperature: rows that are all told apart ask for 0, and logits without any sense for infinity."""
HALVINGS, STEPS = 20, 4
"""Of the bracket in log T, which is then 1e-5 wide; and of Newton's method within it, which squares the error."""


def fit_temperature(logits: Float[Tensor, "K N C"], y: Int64[Tensor, " N"]) -> Float[Tensor, " K"]:
    """The temperature of lowest cross-entropy for each member; 1 for one without a finite loss, or without any row.

    Usable alone.

    >>> fit_temperature(torch.tensor([[[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]]), torch.tensor([0, 0, 0, 1]))
    tensor([3.6410])
    """
    z = logits.to(torch.float64)
    z = z - z.amax(-1, keepdim=True)
    true = z[:, torch.arange(z.shape[1], device=z.device), y].mean(1)
    low, high = z.new_full((len(z),), 1 / HOTTEST), z.new_full((len(z),), 1 / COLDEST)
    beta = torch.ones_like(low)
    for turn in range(1, HALVINGS + STEPS + 1):
        p = (z * beta.view(-1, 1, 1)).softmax(-1)
        expected = (p * z).sum(-1)
        slope = expected.mean(1) - true
        curvature = ((p * z.square()).sum(-1) - expected.square()).mean(1)
        low, high = torch.where(slope <= 0, beta, low), torch.where(slope >= 0, beta, high)
        newton = (beta - slope / curvature).clamp(low, high)
        beta = (low * high).sqrt() if turn < HALVINGS else torch.where(newton.isnan(), beta, newton)
    return torch.where(slope.isfinite(), 1 / beta, 1.0).to(logits.dtype)


@dataclass(frozen=True, kw_only=True)
class TemperatureScaling(OutputTechnique):
    """Divide each member's logits by the temperature that suits the validation rows best."""

    def fit(self, outputs: Float[Tensor, "K N C"], y: Tensor) -> dict[str, Tensor]:
        if outputs.shape[-1] == 1:
            return {"temperature": outputs.new_ones(len(outputs))}
        return {"temperature": fit_temperature(outputs, y)}

    def output(self, outputs: Float[Tensor, "K N C"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "K N C"]:
        return outputs / fitted["temperature"].to(outputs).view(-1, 1, 1)
