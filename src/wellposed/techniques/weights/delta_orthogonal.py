r"""Delta-orthogonal starting weights: a convolution that at first turns each pixel's channels and mixes no pixels.

$$W_{\cdot\cdot p} = g\,Q \;\text{ at the center } p, \quad 0 \text{ elsewhere}, \qquad Q^\top Q = I$$

With padding, the layer keeps the norm of every image exactly; tanh networks of thousands of convolutions train so,
without norms and without shortcuts. It needs at least as many channels out as in. Weights of two axes are drawn as by
`Orthogonal`.

Source: Xiao et al., Dynamical isometry and a mean field theory of CNNs, 2018, https://arxiv.org/abs/1806.05393,
section 3.3 and algorithm 1.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, strength
from wellposed.techniques.weights.orthogonal import draw_orthogonal


def draw_delta_orthogonal(
    shape: tuple[int, ...], gain: Strength = 1.0, *, key: Key, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "K *shape"]:
    """Kernels that are orthonormal times `gain` at the center and 0 elsewhere, for each of `K` keys. Usable alone.

    >>> draw_delta_orthogonal((4, 2, 3, 3), key=torch.tensor([7])).count_nonzero().item()
    8
    """
    matrix = draw_orthogonal(shape[:2], gain, key=key, dtype=dtype)
    if len(shape) == 2:
        return matrix
    if shape[0] < shape[1]:
        do = "Use Orthogonal, or a net whose channels do not become fewer."
        raise refusal("A convolution of DeltaOrthogonal", "have at least as many channels out as in", shape[:2], do)
    weight = matrix.new_zeros(len(matrix), *shape)
    center = 0
    for size in shape[2:]:
        center = center * size + (size - 1) // 2
    weight.flatten(3)[..., center] = matrix
    return weight


@dataclass(frozen=True, kw_only=True)
class DeltaOrthogonal(WeightTechnique):
    """Draw convolutions that keep the norm of an image, times a gain.

    Args:
        gain: All singular values of a layer.
    """

    gain: Strength = strength(1.0, valid=(0.0, 100.0), search=(0.5, 2.0), log=True)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_delta_orthogonal(shape, self.gain, key=key, dtype=dtype)
