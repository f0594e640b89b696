r"""LSUV: orthonormal weights, then each layer scaled until its output, measured on training rows, has variance 1.

$$W_l \leftarrow \frac{W_l}{\sqrt{\mathrm{Var}[x_l]}} \quad \text{until } |\mathrm{Var}[x_l] - 1| < t$$

with $x_l$ the output of affine layer $l = 1, 2, \dots$ over all rows, units and pixels. The layers come in the order in
which they are called, the output layer among them, dropout off. Good for deep networks without norms, whatever the
activation; with norms it has little to do. Asks for inputs of variance 1, and for rows enough to measure a variance.

Source: Mishkin & Matas, All you need is a good init, 2016, https://arxiv.org/abs/1511.06422, algorithm 1.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wellposed.checks import check_count, check_number
from wellposed.techniques.places import Start, StartTechnique, Tensors
from wellposed.techniques.technique import Technique
from wellposed.techniques.weights.affine import inputs_of, load_member_, visit_affine
from wellposed.techniques.weights.orthogonal import orthonormalize


def scale_layers_(module: nn.Module, *inputs: Tensor, tolerance: float = 0.1, steps: int = 10) -> list[str]:
    """Make the weights of all linear and convolutional layers orthonormal, then scale them; the names of those changed.

    The orthonormal weights are made of those that are there, so Gaussian ones are needed for an even draw. One pass
    does it: each layer is scaled when it is called, and passes on its new output. Left as they are: frozen layers,
    biases, weights that are made of others (weight norm), and the scale of a layer whose output does not vary. Usable
    alone.

    >>> net = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 5))
    >>> x = torch.randn(200, 20)
    >>> scale_layers_(net, x)
    ['0.weight', '2.weight']
    >>> bool((net(x).var() - 1).abs() < 0.1)
    True
    """
    changed: list[str] = []

    def scale(path: str, layer: nn.Module, given: tuple[Any, ...], _: Tensor) -> Tensor | None:
        weight = layer.weight
        if not isinstance(weight, nn.Parameter) or not weight.requires_grad:
            return None
        weight.copy_(orthonormalize(weight.unsqueeze(0))[0])
        output: Tensor = layer.forward(*given)
        for _step in range(steps):
            variance = output.var(correction=0)
            if (variance - 1).abs() < tolerance or not variance > 0:
                break
            weight.div_(variance.sqrt())
            output = layer.forward(*given)
        changed.append(f"{path}.weight".lstrip("."))
        return output

    visit_affine(module, inputs, scale)
    return changed


@dataclass(frozen=True, kw_only=True)
class LSUV(StartTechnique):
    """Scale each layer so that the first training rows leave it with variance 1.

    Args:
        tolerance: By how much a variance may miss 1.
        steps: How often a layer is scaled, at most.
    """

    tolerance: float = 0.1
    steps: int = 10

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_number("LSUV.tolerance", self.tolerance, low=0, open="(")
        check_count("LSUV.steps", self.steps)

    def start_(self, parameters: Tensors, start: Start) -> None:
        network = copy.deepcopy(start.network)
        members = len(start.batch.x)
        for k in range(members):
            load_member_(network, parameters, start, k)
            own = dict(network.named_parameters())
            with torch.no_grad():
                for name in scale_layers_(
                    network, *inputs_of(start.batch, k), tolerance=self.tolerance, steps=self.steps
                ):
                    parameters[name][k].copy_(own[name])
