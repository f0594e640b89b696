"""Draws: as good as independent, the same alone and among others, and never from a global stream.

Each statistical test is a fixed experiment (its seeds stand below), so it passes always or never. `ALPHA` is how likely
it would have failed with true randomness; where one test looks at many numbers, their threshold shares `ALPHA` out.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from wellposed.random import bernoulli, bits, choice, make_key, mask, normal, permutation, uniform

ALPHA = 1e-4
DTYPES = [torch.float32, torch.float64]


def keys(n: int, *, step: int = 0, place: str = "here", first: int = 0) -> Tensor:
    return make_key(torch.arange(first, first + n), step=step, place=place)


def unsigned(words: Tensor) -> Tensor:
    return words.to(torch.int64) & 0xFFFFFFFF


def even(counts: Tensor) -> float:
    """The p-value of equal probabilities."""
    return float(stats.chisquare(counts.numpy()).pvalue)


def limit(n: int) -> float:
    """What the largest of `n` standard normal numbers exceeds, either way, with probability `ALPHA`."""
    return float(stats.norm.isf(ALPHA / 2 / n))


def score(x: Tensor, y: Tensor) -> float:
    """The correlation of two samples in units of its standard deviation."""
    x, y = x.double().flatten(), y.double().flatten()
    return float(torch.corrcoef(torch.stack((x, y)))[0, 1]) * math.sqrt(len(x))


# --- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 8, 16, 24])
def test_bytes_are_even(shift: int) -> None:
    words = unsigned(bits(keys(64), 4096))
    assert even(((words >> shift) & 0xFF).flatten().bincount(minlength=256)) > ALPHA


@pytest.mark.parametrize("shift", [0, 16])
def test_halves_are_even(shift: int) -> None:
    words = unsigned(bits(keys(64, first=100), 8192))  # 8 in each of 65,536 cells
    assert even(((words >> shift) & 0xFFFF).flatten().bincount(minlength=1 << 16)) > ALPHA


def test_no_two_words_of_a_key_are_equal() -> None:
    words = bits(keys(2), 300_000)
    for row in words:
        assert len(set(row.tolist())) == 300_000


@pytest.mark.parametrize("of", ["seed", "step"])
def test_each_bit_of_the_key_turns_half_of_the_bits(of: str) -> None:
    n = 4000
    here = bits(keys(1, place="numbers"), 2 * n)[0].to(torch.int64)
    numbers = (here[:n] << 32) ^ (here[n:] & 0xFFFFFFFF)
    places = torch.arange(32)

    def words(x: Tensor) -> Tensor:
        key = make_key(x, step=0, place="here") if of == "seed" else make_key(torch.tensor(5), step=x, place="here")
        return bits(key, 1)

    before = words(numbers)
    largest = 0.0
    for bit in range(64):
        turned = ((words(numbers ^ (1 << bit if bit < 63 else -(1 << 63))) ^ before) >> places) & 1
        largest = max(largest, float(((turned.double().mean(0) - 0.5) * 2 * math.sqrt(n)).abs().max()))
    assert largest < limit(64 * 32)


# --- distributions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_uniform_is_uniform(dtype: torch.dtype) -> None:
    u = uniform(keys(8), (25_000,), dtype=dtype)
    assert u.dtype == dtype
    assert 0 <= float(u.min()) <= float(u.max()) < 1
    assert stats.kstest(u.flatten().double().numpy(), "uniform").pvalue > ALPHA


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_normal_is_normal(dtype: torch.dtype) -> None:
    z = normal(keys(8), (25_000,), dtype=dtype)
    assert z.dtype == dtype
    assert stats.kstest(z.flatten().double().numpy(), "norm").pvalue > ALPHA
    tail = int((z.abs() > 3).sum())
    assert stats.binomtest(tail, z.numel(), 2 * stats.norm.sf(3)).pvalue > ALPHA


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 1.0])
def test_bernoulli_and_mask_have_their_share(share: float) -> None:
    n = 200_000
    for drawn in (bernoulli(keys(4), (n // 4,), share), mask(keys(4, place="mask"), (n // 4,), share) == -1):
        count = int(drawn.sum())
        assert stats.binomtest(count, n, share).pvalue > ALPHA
        assert (0 < share < 1) or count == n * share


def test_a_mask_is_all_bits_or_none() -> None:
    x = torch.randn(4, 1001, generator=torch.Generator().manual_seed(0))
    drawn = mask(keys(4), (1001,), 0.3)
    assert set(drawn.flatten().tolist()) == {0, -1}
    assert torch.equal((x.view(torch.int32) & drawn).view(torch.float32), torch.where(drawn == -1, x, 0.0))


def test_permutations_are_even() -> None:
    drawn = permutation(keys(24_000), 4)
    code = (drawn * torch.tensor([64, 16, 4, 1])).sum(-1)
    counts = code.bincount()
    counts = counts[counts > 0]
    assert len(counts) == 24
    assert even(counts) > ALPHA


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 60_000])
def test_a_permutation_has_every_row_once(n: int) -> None:
    drawn = permutation(keys(3), n)
    assert torch.equal(drawn.sort(dim=-1).values, torch.arange(n).expand(3, n))


def test_a_permutation_takes_each_row_to_each_position() -> None:
    drawn = permutation(keys(20_000), 7)
    for position in range(7):
        assert even(drawn[:, position].bincount(minlength=7)) > ALPHA / 7


@pytest.mark.parametrize("n", [1, 2, 10, 1000])
def test_choices_are_even(n: int) -> None:
    drawn = choice(keys(20), n, 5000)
    assert int(drawn.min()) >= 0
    assert even(drawn.flatten().bincount(minlength=n)) > ALPHA if n > 1 else not drawn.any()


def test_first_draws_are_even_over_keys() -> None:
    u = uniform(keys(10_000), (64,), dtype=torch.float64)
    scores = (u.mean(0) - 0.5) * math.sqrt(12 * 10_000)
    assert float(scores.abs().max()) < limit(64)
    assert stats.kstest(u[:, 0].numpy(), "uniform").pvalue > ALPHA


# --- independence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["itself", "square", "low half"])
def test_neighbours_are_not_correlated(moment: str) -> None:
    def look(key: Tensor) -> Tensor:
        u = unsigned(bits(key, 1000)).double() / 2**32
        return {"itself": u, "square": (u - 0.5) ** 2, "low half": (u * 2**16) % 1}[moment]

    u = look(keys(200))
    pairs = {
        "seeds": (u[:-1], u[1:]),
        "steps": (u, look(keys(200, step=1))),
        "seed and step": (u[1:], look(keys(199, step=1))),
        "places": (u, look(keys(200, place="here2"))),
        "far seeds": (u, look(keys(200, first=1 << 40))),
        **{f"units {lag} apart": (u[:, :-lag], u[:, lag:]) for lag in (1, 2, 3, 8, 64, 500)},
    }
    scores = {name: score(*pair) for name, pair in pairs.items()}
    assert max(map(abs, scores.values())) < limit(len(scores)), scores


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_two_units_of_a_word_are_independent(share: float) -> None:
    first, second = mask(keys(100), (2000,), share).chunk(2, dim=-1)
    assert abs(score(first, second)) < limit(1)
    table = np.array([[int(((first == a) & (second == b)).sum()) for a in (0, -1)] for b in (0, -1)])
    assert stats.chi2_contingency(table).pvalue > ALPHA


def test_units_are_independent_over_keys() -> None:
    z = (uniform(keys(5000), (300,), dtype=torch.float64) - 0.5) * math.sqrt(12)
    row, column = torch.triu_indices(300, 300, offset=1)
    scores = (z.T @ z / math.sqrt(5000))[row, column]  # 44,850 pairs
    assert float(scores.abs().max()) < limit(len(scores))
    assert stats.kstest(scores.numpy(), "norm").pvalue > ALPHA


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_masks_of_two_steps_agree_as_often_as_chance(share: float) -> None:
    n, steps = 2000, 60
    key = make_key(torch.tensor([3]), step=torch.arange(steps).unsqueeze(-1), place="dropout")
    drawn = mask(key, (n,), share)[:, 0] == -1
    p = share**2 + (1 - share) ** 2
    agree = [float((drawn[a] == drawn[b]).double().mean()) for a, b in itertools.combinations(range(steps), 2)]
    scores = (torch.tensor(agree, dtype=torch.float64) - p) / math.sqrt(p * (1 - p) / n)
    assert float(scores.abs().max()) < limit(len(agree))


def test_normals_are_independent_of_their_partners() -> None:
    first, second = normal(keys(100), (2000,), dtype=torch.float64).chunk(2, dim=-1)  # radius and angle are shared
    scores = [score(first, second), score(first**2, second**2), score(first.abs(), second)]
    assert max(map(abs, scores)) < limit(3)


# --- a function and no stream ---------------------------------------------------------------------------------------


DRAWS = {
    "bits": lambda key: bits(key, 33),
    "uniform": lambda key: uniform(key, (3, 11)),
    "uniform64": lambda key: uniform(key, (3, 11), dtype=torch.float64),
    "normal": lambda key: normal(key, (3, 11)),
    "normal64": lambda key: normal(key, (3, 11), dtype=torch.float64),
    "bernoulli": lambda key: bernoulli(key, (3, 11), 0.3),
    "mask": lambda key: mask(key, (3, 11), 0.3),
    "permutation": lambda key: permutation(key, 33),
    "choice": lambda key: choice(key, 10, 33),
}


@pytest.mark.parametrize("name", DRAWS)
def test_is_pure(name: str) -> None:
    key, state = keys(5), torch.get_rng_state()
    before = key.clone()
    first = DRAWS[name](key)
    torch.manual_seed(17)
    kept = first.clone()
    assert torch.equal(DRAWS[name](key), kept)
    first.zero_()  # what the caller does with a draw changes no other
    assert torch.equal(DRAWS[name](key), kept)
    assert torch.equal(key, before)
    torch.set_rng_state(state)
    DRAWS[name](key)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", DRAWS)
def test_alone_equals_among_others_to_the_bit(name: str) -> None:
    key = keys(6)
    together = DRAWS[name](key)
    for member in range(6):
        assert torch.equal(DRAWS[name](key[member : member + 1])[0], together[member])
        assert torch.equal(DRAWS[name](key[member]), together[member])
    order = torch.tensor([4, 0, 5, 2])
    assert torch.equal(DRAWS[name](key[order]), together[order])


@pytest.mark.parametrize("name", DRAWS)
def test_many_steps_at_once_equal_one_at_a_time(name: str) -> None:
    seeds = torch.tensor([3, 1, 2**62, -5])
    key = make_key(seeds, step=torch.arange(7).unsqueeze(-1), place="here")
    together = DRAWS[name](key)
    assert together.shape[:2] == (7, 4)
    for step in range(7):
        assert torch.equal(DRAWS[name](make_key(seeds, step=step, place="here")), together[step])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(shape=st.lists(st.integers(0, 5), max_size=3).map(tuple), n_members=st.integers(0, 3))
def test_shapes(shape: tuple[int, ...], n_members: int) -> None:
    key = keys(n_members)
    for dtype in DTYPES:
        assert uniform(key, shape, dtype=dtype).shape == (n_members, *shape)
        assert normal(key, shape, dtype=dtype).shape == (n_members, *shape)
    assert bernoulli(key, shape, 0.5).shape == (n_members, *shape)
    assert mask(key, shape, 0.5).shape == (n_members, *shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_share_for_each_member_equals_a_float(dtype: torch.dtype) -> None:
    shares = [0.0, 0.25, 0.3, 1.0]
    key, each = keys(4), torch.tensor(shares, dtype=dtype)
    for draw in (bernoulli, mask):
        together = draw(key, (999,), each)
        for member, share in enumerate(each.tolist()):
            assert torch.equal(together[member], draw(key[member], (999,), share))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_works_under_vmap(dtype: torch.dtype) -> None:
    key, share = keys(5), torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    for draw in (uniform, normal):
        mapped = torch.func.vmap(lambda k, draw=draw: draw(k, (3, 7), dtype=dtype))(key)
        assert torch.equal(mapped, draw(key, (3, 7), dtype=dtype))
    mapped = torch.func.vmap(lambda k, s: bernoulli(k, (3, 7), s))(key, share)
    assert torch.equal(mapped, bernoulli(key, (3, 7), share))
    mapped = torch.func.vmap(lambda s: bits(make_key(s, step=4, place="here"), 9))(torch.arange(5))
    assert torch.equal(mapped, bits(keys(5, step=4), 9))


GOLDEN_KEYS = [-7406276630235820482, 1556730718030984932]
GOLDEN_BITS = [[981492096, -1044850268, -545866438], [-1422374724, -1665663994, 403542298]]
GOLDEN_PERMUTATION = [[3, 1, 2, 5, 0, 4], [1, 0, 3, 4, 2, 5]]
GOLDEN_CHOICE = [[22, 75, 87, 68], [66, 61, 9, 70]]
GOLDEN_MASK = [[0, -1, -1, -1, 0, -1, -1, 0], [-1, -1, 0, -1, 0, -1, -1, -1]]
GOLDEN_UNIFORM = [[3833953.0, 12695769.0], [11221064.0, 10270716.0]]


def test_the_stream_is_what_it_was() -> None:
    """Whoever changes these numbers changes every result that anybody has kept."""
    key = make_key(torch.tensor([0, 1]), step=2, place="dropout")
    assert key.tolist() == GOLDEN_KEYS
    assert bits(key, 3).tolist() == GOLDEN_BITS
    assert permutation(key, 6).tolist() == GOLDEN_PERMUTATION
    assert choice(key, 100, 4).tolist() == GOLDEN_CHOICE
    assert mask(key, (8,), 0.5).tolist() == GOLDEN_MASK
    assert (uniform(key, (2,)) * 2**24).tolist() == GOLDEN_UNIFORM


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("name", DRAWS)
def test_a_gpu_draws_the_same(name: str) -> None:
    here, there = DRAWS[name](keys(5)), DRAWS[name](keys(5).cuda()).cpu()
    if name.startswith("normal"):  # log and cos round differently there
        torch.testing.assert_close(there, here, rtol=1e-5, atol=1e-6)
    else:
        assert torch.equal(there, here)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_no_type_rounds_up_to_one_or_gives_infinity(dtype: torch.dtype) -> None:
    key = make_key(torch.tensor([3]), step=0, place="narrow")
    u = uniform(key, (200_000,), dtype=dtype)
    assert u.dtype == dtype
    assert u.min() >= 0
    assert u.max() < 1
    z = normal(key, (200_000,), dtype=dtype)
    assert z.dtype == dtype
    assert torch.isfinite(z).all()
    assert abs(float(z.double().mean())) < 0.02  # 9 standard errors
    assert abs(float(z.double().std()) - 1) < 0.02
