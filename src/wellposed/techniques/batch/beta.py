r"""The beta distribution with two equal parameters, from two uniform numbers and without rejection.

$$B = \tfrac12\Bigl(1 + \frac{c}{\sqrt{c^2 + 1/r}}\Bigr) \sim \mathrm{Beta}(a, a), \qquad
r = U^{-1/a} - 1, \quad c = \cos 2\pi V$$

$\sqrt{2 a r}\,c$ has Student's distribution with $2a$ degrees of freedom (Bailey), of which a symmetric beta is a
function (Devroye). For $a \to 0$ it is 0 or 1, each half of the time.

Source: Bailey, Polar generation of random variates with the t-distribution, Mathematics of Computation 62 (1994),
779-781; Devroye, Random variate generation in one line of code, Winter Simulation Conference 1996, 265-272, section 4.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wellposed import random
from wellposed.random import Key
from wellposed.techniques.technique import Strength, spread

LEAST = 1e-300
"""What takes the place of 0, where the limit is meant."""


def symmetric_beta(key: Key, shape: Sequence[int], a: Strength) -> Float[Tensor, "..."]:
    """Draws of Beta(a, a) for each key, in float64; `a` is one number, or one for each entry of the keys' axis.

    Small numbers are exact to float64's relative precision, whatever `a` is.

    >>> symmetric_beta(torch.tensor([1, 2]), (3,), 0.5).shape
    torch.Size([2, 3])
    """
    u, v = random.uniform(key, (2, *shape), dtype=torch.float64).unbind(key.dim())
    a = spread(a, u)
    a = a.to(torch.float64).clamp(min=LEAST) if isinstance(a, Tensor) else max(a, LEAST)
    c = (v * (2 * math.pi)).cos()
    inverse = 1 / torch.expm1(-torch.log1p(-u) / a)  # 1 / r; infinite where u is 0
    root = (c.square() + inverse).sqrt()
    lesser = torch.where(inverse.isinf(), 0.5, inverse / (2 * root * (root + c.abs())))
    return torch.where(c < 0, lesser, 1 - lesser)
