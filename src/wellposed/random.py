"""Draws as pure functions of (seed, step, place): no stream, no state, the same on every device.

A *key* is one int64 a member, made from the member's seed, the step and the name of the place that asks. `bits` turns a
key and a counter into 32 uniform bits by two rounds of multiply and xor-shift (the finalizer family of MurmurHash3 and
SplitMix; constants of the 32-bit round: C. Wellons, https://nullprogram.com/blog/2018/07/31/). Everything else is made
of `bits`. All functions take keys of any shape `*K` and put the drawn axes behind it, so a member's draws do not depend
on who else is drawn for. Integers are equal to the bit on CPU and GPU; floats to the rounding of `log` and `cos`.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

Key: TypeAlias = Int64[Tensor, "*K"]


def _signed(value: int, width: int) -> int:
    """The two's-complement reading of an unsigned constant."""
    return value - (1 << width) if value >> (width - 1) else value


GOLDEN = _signed(0x9E3779B97F4A7C15, 64)
MIX_1, MIX_2 = _signed(0xBF58476D1CE4E5B9, 64), _signed(0x94D049BB133111EB, 64)
ROUND_1, ROUND_2, SHIFT_15, SHIFT_16, LOW_17, LOW_16, ONE, ALL = (
    torch.tensor(_signed(value, 32), dtype=torch.int32)
    for value in (0x7FEB352D, 0x846CA68B, 15, 16, 0x1FFFF, 0xFFFF, 1, 31)
)
"""Constants of the 32-bit round as tensors: a Python number costs two microseconds more in each of the small operations
that a mask is made of."""

BITS = {torch.float16: 11, torch.bfloat16: 8}
"""Random bits of a uniform number in narrow types: one more, and the largest would be rounded to 1."""


@lru_cache(maxsize=4096)
def place_code(name: str) -> int:
    """A number for the name of a place, the same in every process (Python's own `hash` is not)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)


def _mix(x: Int64[Tensor, "*K"]) -> Int64[Tensor, "*K"]:
    """SplitMix64's finalizer: a bijection of 64-bit words in which every bit depends on every bit."""
    x = (x ^ ((x >> 30) & ((1 << 34) - 1))) * MIX_1
    x = (x ^ ((x >> 27) & ((1 << 37) - 1))) * MIX_2
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def make_key(seed: Int64[Tensor, "*K"], *, step: int | Int64[Tensor, "..."], place: str) -> Int64[Tensor, "..."]:
    """The key of one place at one step, for each seed.

    Args:
        seed: One seed a member.
        step: The step; a tensor broadcasts against `seed`, so that the keys of many steps are made at once.
        place: Name of what asks, such as `"batches"` or the path of a layer.
    """
    return _mix(_mix(seed + GOLDEN) + _mix(torch.as_tensor(step, device=seed.device) * GOLDEN + place_code(place)))


def _counters(n: int, device: torch.device) -> Int32[Tensor, " n"]:
    """0..n-1, mixed; made once for each size, but anew within a compiled graph, which keeps its own constants."""
    return _mixed(n, device) if torch.compiler.is_compiling() else _kept(n, device)


def _mixed(n: int, device: torch.device) -> Int32[Tensor, " n"]:
    """0..n-1, mixed once: the part of `bits` that does not depend on the key.

    A bijection of 32-bit words: were two counters equal, their draws would be equal under every key.
    """
    x = torch.arange(n, dtype=torch.int32, device=device)
    _fold_(x, SHIFT_16, LOW_16)
    x *= ROUND_1
    _fold_(x, SHIFT_15, LOW_17)
    x *= ROUND_2
    return _fold_(x, SHIFT_16, LOW_16)


_kept = lru_cache(maxsize=64)(_mixed)


def _fold_(x: Int32[Tensor, "..."], shift: Tensor, kept: Tensor) -> Int32[Tensor, "..."]:
    """`x ^= x >> shift`, in place, with the shift of an unsigned word (`kept` has the bits that it leaves)."""
    moved = torch.bitwise_right_shift(x, shift)
    moved &= kept
    x ^= moved
    return x


def bits(key: Key, n: int) -> Int32[Tensor, "*K n"]:
    """`n` words of 32 uniform bits for each key."""
    halves = key.unsqueeze(-1).view(torch.int32)
    x = _counters(n, key.device) ^ halves[..., :1]
    x *= ROUND_1
    _fold_(x, SHIFT_15, LOW_17)
    x += halves[..., 1:]
    x *= ROUND_2
    return _fold_(x, SHIFT_16, LOW_16)


def uniform(key: Key, shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "..."]:
    """Uniform in [0, 1), with as many random bits as the type holds: 53 of float64, 24 of float32, 8 of bfloat16."""
    n = math.prod(shape)
    if dtype == torch.float64:
        high, low = bits(key, 2 * n).chunk(2, dim=-1)
        u = ((high >> 5) & 0x7FFFFFF).to(dtype) * 2**-27 + ((low >> 6) & 0x3FFFFFF).to(dtype) * 2**-53
    else:
        kept = BITS.get(dtype, 24)
        u = bits(key, n).bitwise_right_shift_(32 - kept).bitwise_and_((1 << kept) - 1)
        u = u.to(torch.float32).mul_(2.0**-kept).to(dtype)
    return u.view(*key.shape, *shape)


def normal(key: Key, shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "..."]:
    """Standard normal, by the transform of Box and Muller (1958), in float32 at least."""
    n = math.prod(shape)
    half = (n + 1) // 2
    wide = torch.promote_types(dtype, torch.float32)
    drawn = uniform(key, (2 * half,), dtype=wide)
    radius, angle = drawn.chunk(2, dim=-1)  # in place from here on: memory costs as much as the arithmetic
    radius.neg_().add_(1).log_().mul_(-2).sqrt_()
    angle.mul_(2 * math.pi)
    cosine = angle.cos()
    angle.sin_().mul_(radius)
    radius.mul_(cosine)
    return (drawn if n % 2 == 0 else drawn[..., :n]).reshape(*key.shape, *shape).to(dtype)


def bernoulli(key: Key, shape: Sequence[int], share: float | Float[Tensor, "*K"]) -> Bool[Tensor, "..."]:
    """True with probability `share`, exact to 2^-31."""
    drawn = bits(key, math.prod(shape)) >> 1
    return (drawn < _threshold(share)).view(*key.shape, *shape)


def mask(key: Key, shape: Sequence[int], share: float | Float[Tensor, "*K"]) -> Int32[Tensor, "..."]:
    """All bits set with probability `share`, else none: `x.view(int32) & mask` keeps or drops a float32.

    Two units share one word of 32 bits, so `share` is exact to 2^-16 for the second half of the units (2^-31 for the
    first). An integer mask costs a seventh of a boolean one: no conversion, one vectorized `and`.
    """
    n = math.prod(shape)
    word = bits(key, (n + 1) // 2)
    drawn = torch.cat((word, torch.bitwise_left_shift(word, SHIFT_16)), dim=-1)
    drawn.bitwise_right_shift_(ONE)
    drawn -= _threshold(share)
    drawn.bitwise_right_shift_(ALL)
    return drawn.view(*key.shape, *shape) if n % 2 == 0 else drawn[..., :n].reshape(*key.shape, *shape)


def _threshold(share: float | Float[Tensor, "*K"]) -> int | Int32[Tensor, "*K 1"]:
    """Where a signed 31-bit draw must lie below, to lie there with probability `share`."""
    if isinstance(share, Tensor):
        return (share.to(torch.float64) * 2**31 - 2**30).round().to(torch.int32).unsqueeze(-1)
    return round(share * 2**31 - 2**30)


def permutation(key: Key, n: int) -> Int64[Tensor, "*K n"]:
    """A permutation of 0..n-1 for each key: the positions in the order of their words, of which no two are equal.

    Word and position are sorted as one number, on a CPU by NumPy, whose vectorized sort takes a tenth of the time.
    """
    packed = (bits(key, n).to(torch.int64) << 32) | torch.arange(n, device=key.device)
    if packed.is_cpu:
        packed.numpy().sort(axis=-1)
    else:
        packed = packed.sort(dim=-1).values
    return packed & 0xFFFFFFFF


def choice(key: Key, n: int, size: int) -> Int64[Tensor, "*K size"]:
    """`size` draws from 0..n-1 with replacement; each probability is exact to n / 2^32."""
    return ((bits(key, size).to(torch.int64) & 0xFFFFFFFF) * n) >> 32
