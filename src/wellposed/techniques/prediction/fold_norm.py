r"""Folding: after training, a batch norm behind an affine layer becomes part of that layer's weights.

$$W' = \frac{\gamma}{\sigma} W, \qquad b' = \frac{\gamma}{\sigma} (b - \mu) + \beta$$

The folded network answers the same, to rounding, with one layer less; it can no longer be trained as before. Only norms
that answer by running statistics fold: layer, group, instance and RMS norms look at each row anew.

Source: Ioffe & Szegedy, Batch Normalization, 2015, https://arxiv.org/abs/1502.03167, section 3.1; Jacob et al.,
Quantization and Training of Neural Networks, 2018, https://arxiv.org/abs/1712.05877, section 3.2, equation 14.
"""

import copy
import warnings
from collections import Counter
from itertools import pairwise
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from wellposed.checks import refusal
from wellposed.errors import NoEffect
from wellposed.techniques.layers.batch_norm import StackedBatchNorm
from wellposed.techniques.layers.batch_renorm import StackedBatchRenorm
from wellposed.techniques.layers.ghost_batch_norm import StackedGhostBatchNorm

Affine: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d

AFFINE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
FORM = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
OURS = (StackedBatchNorm, StackedGhostBatchNorm, StackedBatchRenorm)
THEIRS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def fold_into_affine(
    weight: Float[Tensor, "K out in ..."],
    bias: Float[Tensor, "K out"],
    *,
    scale: Float[Tensor, "K out"],
    shift: Float[Tensor, "K out"],
) -> tuple[Float[Tensor, "K out in ..."], Float[Tensor, "K out"]]:
    """Weight and bias of the affine layer whose outputs are these, scaled and then shifted.

    Usable alone; one network passes each with `[None]`.

    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> fold_into_affine(torch.tensor([[[1.0, 2.0]]]), one, scale=3 * one, shift=one)
    (tensor([[[3., 6.]]]), tensor([[4.]]))
    """
    return weight * scale.view(*scale.shape, *[1] * (weight.dim() - 2)), bias * scale + shift


def scale_and_shift(norm: nn.Module) -> tuple[Float[Tensor, " C"], Float[Tensor, " C"]]:
    """What a batch norm multiplies each channel by in answers, and what it then adds.

    >>> scale_and_shift(nn.BatchNorm1d(1, eps=3.0))
    (tensor([0.5000]), tensor([0.]))
    """
    if not isinstance(norm, (*OURS, *THEIRS)):
        do = "Other norms look at each row anew."
        raise refusal("The norm to fold", "be a batch norm", type(norm).__name__, do)
    mean, spread = norm.running_mean, norm.running_std if isinstance(norm, StackedBatchRenorm) else norm.running_var
    if mean is None or spread is None:
        raise refusal("The norm to fold", "keep running statistics", "track_running_stats=False")
    scale = 1 / spread if isinstance(norm, StackedBatchRenorm) else (spread + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -mean * scale if norm.bias is None else norm.bias - mean * scale
    return scale.detach(), shift.detach()


def fold_norm(affine: nn.Module, norm: nn.Module) -> nn.Module:
    """One layer that answers as `norm` behind `affine`; both stay as they are.

    Args:
        affine: An `nn.Linear`, `nn.Conv1d`, `nn.Conv2d` or `nn.Conv3d`, which may be parametrized.
        norm: A batch norm of this package or of PyTorch.

    >>> fold_norm(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3))
    Linear(in_features=2, out_features=3, bias=True)
    """
    scale, shift = scale_and_shift(norm)
    folded = _plain(affine)
    if len(scale) != (channels := folded.weight.shape[0]):
        raise refusal("The norm to fold", f"have the {channels} channels of its layer", len(scale))
    weight = torch.as_tensor(affine.weight).detach()
    bias = weight.new_zeros(channels) if affine.bias is None else torch.as_tensor(affine.bias).detach()
    scale, shift = scale.to(weight), shift.to(weight)
    new, offset = fold_into_affine(weight[None], bias[None], scale=scale[None], shift=shift[None])
    folded.weight, folded.bias = nn.Parameter(new[0]), nn.Parameter(offset[0])
    return folded.eval()


def foldable_pairs(net: nn.Module) -> list[tuple[str, str]]:
    """Paths of the pairs that `fold_norms` makes one layer of: neighbours in an `nn.Sequential`, used nowhere else.

    >>> foldable_pairs(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()))
    [('0', '1')]
    """
    uses = Counter(id(child) for module in net.modules() for child in module._modules.values())
    pairs = []
    for path, module in net.named_modules():
        if type(module) is not nn.Sequential:
            continue
        named = [(f"{path}.{name}".lstrip("."), child) for name, child in module._modules.items() if child is not None]
        for (first, affine), (second, norm) in pairwise(named):
            if uses[id(affine)] == uses[id(norm)] == 1 and _fits(affine, norm):
                pairs.append((first, second))
    return pairs


def fold_norms(net: nn.Module) -> nn.Module:
    """A copy of the network, for answers, with each batch norm behind an affine layer folded into it.

    The norm's place holds an `nn.Identity`, so all other layers keep their names; `foldable_pairs` tells beforehand
    which pairs these are. Warns with NoEffect where there are none.

    >>> fold_norms(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Identity()
      (2): ReLU()
    )
    """
    pairs, folded = foldable_pairs(net), copy.deepcopy(net).eval()
    if not pairs:
        what = "fold_norms found no batch norm right behind a Linear or Conv in an nn.Sequential, and folded none."
        warnings.warn(what, NoEffect, stacklevel=2)
    for first, second in pairs:
        folded.set_submodule(first, fold_norm(net.get_submodule(first), net.get_submodule(second)))
        folded.set_submodule(second, nn.Identity())
    return folded


def _fits(affine: nn.Module, norm: nn.Module) -> bool:
    """Whether two neighbours are an affine layer and a batch norm of running statistics, without hooks that look on."""
    if type_before_parametrizations(affine) not in AFFINE or not isinstance(norm, (*OURS, *THEIRS)):
        return False
    hooked = any(m._forward_hooks or m._forward_pre_hooks for m in (affine, norm))
    return norm.running_mean is not None and not hooked


def _plain(affine: nn.Module) -> Affine:
    """A layer of the same form, empty. (Taking parametrizations off a copy takes them off the original, too.)"""
    kind = type_before_parametrizations(affine)
    if kind is nn.Linear and isinstance(affine, nn.Linear):
        return nn.Linear(affine.in_features, affine.out_features, device="meta")
    if kind in AFFINE and isinstance(affine, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        form = {name: getattr(affine, name) for name in FORM}
        plain: Affine = kind(**form, device="meta")
        return plain
    raise refusal("The layer to fold into", "be a Linear or a Conv", kind.__name__)
