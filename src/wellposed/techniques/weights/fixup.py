r"""Fixup: starting weights for residual networks without norms, by which no step changes the output too much.

Of $L$ residual blocks with $m$ affine layers each:

$$W_m \leftarrow 0, \quad W_i \leftarrow L^{-1 / (2m - 2)}\,W_i \; (i < m), \quad W_\text{output} \leftarrow 0$$

so at first every block passes on its input. (Where a block mixes two branches, this holds for each.) Made for He's
weights and for networks without norms (with them it is not needed). A block of one layer starts at 0 altogether. A
rectifier behind a block's last layer, inside the block, is refused: of zeros it passes no gradient, and the block would
never learn. The paper's scalar biases and multipliers are parts of a network, not of its start.

Source: Zhang, Dauphin & Ma, Fixup initialization, 2019, https://arxiv.org/abs/1901.09321, section 3 ("Fixup
initialization", rules 1 and 2).
"""

from dataclasses import dataclass

import torch
from torch import nn

from wellposed.checks import refusal
from wellposed.techniques.places import Start, StartTechnique, Tensors
from wellposed.techniques.stacked import ResidualBlock, TwinBranches
from wellposed.techniques.weights.affine import AFFINE, affine_layers, find_last


def scale_of(blocks: int, layers: int) -> float:
    """By what all but the last of the `layers` of a branch are multiplied, in a network of so many blocks.

    >>> scale_of(16, 2)
    0.25
    """
    return float(blocks ** (-1 / (2 * layers - 2)))


def ends_rectified(block: nn.Module) -> bool:
    """Whether a rectifier stands behind the last affine layer.

    >>> ends_rectified(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    True
    """
    acting = [module for module in block.modules() if isinstance(module, (*AFFINE, nn.ReLU))]
    return bool(acting) and isinstance(acting[-1], nn.ReLU)


def branches_of(block: nn.Module) -> list[list[str]]:
    """The affine layers of a block by path, in one list, or in two where it mixes two branches.

    >>> branches_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)))
    [['0', '2']]
    """
    paths = list(affine_layers(block))
    twins = [path for path, module in block.named_modules() if isinstance(module, TwinBranches)]
    if not twins:
        return [paths]
    return [[path for path in paths if path.startswith(f"{twins[0]}.{name}.")] for name in ("one", "other")]


@dataclass(frozen=True, kw_only=True)
class Fixup(StartTechnique):
    """Start every residual block as its input alone, and the output at 0."""

    def start_(self, parameters: Tensors, start: Start) -> None:
        blocks = {path: m.block for path, m in start.network.named_modules() if isinstance(m, ResidualBlock)}
        found = {f"{path}.block".strip("."): branches_of(block) for path, block in blocks.items()}
        every = [[f"{path}.{inner}" for inner in branch] for path, parts in found.items() for branch in parts]
        branches = [branch for branch in every if branch]
        if not branches:
            do = "Use MLP(residual=True, block=2) or ResNet, or start with He or LSUV."
            raise refusal("The network for Fixup", "have residual blocks", type(start.network).__name__, do)
        if any(ends_rectified(block) for block in blocks.values()):
            do = "Give a block several layers, as MLP(residual=True, block=2) does, or use another activation."
            raise refusal("A residual block for Fixup", "end with its last affine layer", "a rectifier behind it", do)
        factors = {path: scale_of(len(found), len(branch)) for branch in branches for path in branch[:-1]}
        factors |= {branch[-1]: 0.0 for branch in branches} | {find_last(start): 0.0}
        with torch.no_grad():
            for path, factor in factors.items():
                name = f"{path}.weight".lstrip(".")
                if name in parameters:
                    parameters[name].copy_(parameters[name] * factor if factor else torch.zeros_like(parameters[name]))
