"""The identities of orthogonal matrices, torch.nn.init.orthogonal_, and deep linear networks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, ortho_group
from torch.nn import init

from wellposed.random import make_key
from wellposed.techniques import Orthogonal
from wellposed.techniques.weights.orthogonal import draw_orthogonal, orthonormalize

KEYS = make_key(torch.arange(3), step=0, place="w")


@settings(max_examples=20)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.floats(0.1, 3))
def test_the_shorter_side_is_orthogonal_of_length_gain(sizes: list[int], gain: float) -> None:
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        drawn = Orthogonal(gain=gain).weights(tuple(sizes), KEYS, dtype=dtype)
        assert (drawn.shape, drawn.dtype) == ((3, *sizes), dtype)
        matrix = drawn.flatten(2)
        gram = matrix @ matrix.mT if matrix.shape[1] <= matrix.shape[2] else matrix.mT @ matrix
        expected = gain**2 * torch.eye(gram.shape[1], dtype=dtype).expand_as(gram)
        torch.testing.assert_close(gram, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (4, 2, 3, 3)])
def test_equals_pytorch_of_the_same_numbers(shape: tuple[int, ...]) -> None:
    """PyTorch's own function, which draws its numbers in the same order."""
    generator = torch.Generator().manual_seed(0)
    matrix = (shape[0], torch.Size(shape).numel() // shape[0])
    drawn = torch.empty(matrix, dtype=torch.float64).normal_(generator=generator)
    theirs = torch.empty(shape, dtype=torch.float64)
    init.orthogonal_(theirs, generator=generator.manual_seed(0))
    torch.testing.assert_close(orthonormalize(drawn.view(1, *shape))[0], theirs, rtol=1e-12, atol=1e-12)


def test_rotations_are_drawn_as_evenly_as_by_scipy() -> None:
    """The angle of 3 x 3 matrices, by their trace; Kolmogorov and Smirnov's test: one false alarm in 1e6."""
    ours = draw_orthogonal((3, 3), key=make_key(torch.arange(2000), step=0, place="w"), dtype=torch.float64)
    theirs = ortho_group(3, seed=0).rvs(2000)
    assert kstest(ours.diagonal(dim1=1, dim2=2).sum(1).numpy(), theirs.trace(axis1=1, axis2=2)).pvalue > 1e-6


def test_singular_values_of_a_deep_linear_network_are_the_gain_to_the_depth() -> None:
    product = torch.eye(16, dtype=torch.float64).expand(3, 16, 16)
    gains = torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)
    for layer in range(50):
        keys = make_key(torch.arange(3), step=0, place=f"layer {layer}")
        product = Orthogonal().bound({"gain": gains}).weights((16, 16), keys, dtype=torch.float64) @ product
    values = torch.linalg.svdvals(product)
    torch.testing.assert_close(values, gains.pow(50).unsqueeze(1).expand(3, 16), rtol=1e-10, atol=0)


def test_half_precision_is_drawn_in_single() -> None:
    drawn = draw_orthogonal((4, 4), key=KEYS, dtype=torch.bfloat16).float()
    assert (drawn @ drawn.mT - torch.eye(4)).abs().max() < 0.05  # 8 bits: 4 products of numbers to 2^-9
