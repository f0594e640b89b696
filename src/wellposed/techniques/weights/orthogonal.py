r"""Orthogonal starting weights: a layer turns its signal and changes no length.

$$W^\top W = g^2 I \quad (n_\mathrm{out} \ge n_\mathrm{in}), \qquad W W^\top = g^2 I \quad \text{otherwise}$$

drawn evenly from all such matrices: $Q$ of a Gaussian matrix $QR$, its columns signed as $R$'s diagonal. A kernel
counts as the matrix `(out, in * pixels)`. All singular values of a deep linear network are $g^L$, so that it learns at
a speed that does not depend on depth; also good for recurrent weights. Behind rectifiers the advantage is small.

Source: Saxe, McClelland & Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks, 2014, https://arxiv.org/abs/1312.6120, section 3.1; even draws: Mezzadri, How to generate random matrices from
the classical compact groups, 2007, https://arxiv.org/abs/math-ph/0609050, section 5.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.places import WeightTechnique
from wellposed.techniques.technique import Strength, spread, strength


def orthonormalize(weight: Float[Tensor, "K out in ..."]) -> Float[Tensor, "K out in ..."]:
    """The orthonormal matrices that Gram and Schmidt would make of these; kernels count as matrices. Usable alone.

    Of Gaussian matrices they are drawn evenly from all orthonormal ones. The shorter side's vectors are orthonormal.

    >>> q = orthonormalize(torch.randn(1, 4, 3, dtype=torch.float64))[0]
    >>> torch.allclose(q.T @ q, torch.eye(3, dtype=torch.float64))
    True
    """
    matrix = weight.flatten(2)
    if not weight.dtype.is_floating_point or weight.dtype.itemsize < 4:
        matrix = matrix.to(torch.float32)  # no LAPACK in half precision
    wide = matrix.shape[1] < matrix.shape[2]
    q, r = torch.linalg.qr(matrix.mT if wide else matrix)
    q = q * torch.where(r.diagonal(dim1=1, dim2=2) < 0, -1.0, 1.0).to(q.dtype).unsqueeze(1)
    narrow: Tensor = q.mT if wide else q
    return narrow.reshape(weight.shape).to(weight.dtype)


def draw_orthogonal(
    shape: tuple[int, ...], gain: Strength = 1.0, *, key: Key, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "K *shape"]:
    """Orthonormal weights times `gain` for each of `K` keys. Usable alone, with a key of one number.

    >>> w = draw_orthogonal((2, 3), 2.0, key=torch.tensor([7]))[0]
    >>> torch.allclose(w @ w.T, 4 * torch.eye(2), atol=1e-5)
    True
    """
    drawn = orthonormalize(random.normal(key, shape, dtype=dtype))
    return drawn.mul_(spread(gain, drawn))


@dataclass(frozen=True, kw_only=True)
class Orthogonal(WeightTechnique):
    """Draw weights that keep the length of a signal, times a gain.

    Args:
        gain: All singular values of a layer; 1 suits linear and tanh-like units, 1.414 rectifiers.
    """

    gain: Strength = strength(1.0, valid=(0.0, 100.0), search=(0.5, 2.0), log=True)

    def weights(self, shape: tuple[int, ...], key: Key, *, dtype: torch.dtype) -> Float[Tensor, "K *shape"]:
        return draw_orthogonal(shape, self.gain, key=key, dtype=dtype)
