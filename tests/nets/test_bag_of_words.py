"""The bag of words: means taken in a loop over texts, and a network by hand on them."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nets.helpers import Scaled, compare_all, draw_inputs, learns
from tests.nets.test_mlp import TIGHT, affine, drawn

from wellposed.errors import BadInput
from wellposed.nets.bag_of_words import BagOfWords, mean_of_embeddings
from wellposed.nets.net import Inputs, unplaced
from wellposed.techniques import BatchNorm, Dropout

TEXTS = Inputs((0,), vocabulary=9)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_means_and_gradients_are_loops_over_texts(k: int, b: int, t: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 6, (k, b, t), generator=generator)
    tables = torch.randn(k, 6, 2, dtype=torch.float64, generator=generator).requires_grad_()
    rows = []
    for i in range(k):
        for text in codes[i].tolist():
            vectors = [tables[i, code] for code in text if code]
            rows.append(torch.stack(vectors).mean(0) if vectors else tables[i, 0] * 0)
    expected = torch.stack(rows).view(k, b, 2)
    found = mean_of_embeddings(codes, tables)
    torch.testing.assert_close(found, expected, **TIGHT)
    ours, theirs = (torch.autograd.grad(y.sin().sum(), tables)[0] for y in (found, expected))
    torch.testing.assert_close(ours, theirs, **TIGHT)


def test_a_member_that_is_not_a_number_leaves_the_others_alone() -> None:
    codes = torch.randint(0, 6, (3, 4, 5), generator=torch.Generator().manual_seed(0))
    tables = torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(1))
    before = mean_of_embeddings(codes, tables)
    tables[0] = torch.nan
    assert torch.equal(mean_of_embeddings(codes, tables)[1:], before[1:])


def test_outputs_are_those_of_the_formula() -> None:
    net = drawn(BagOfWords(embedding=4, widths=(3,), activation="tanh").build(TEXTS, 2, ()))
    p, (x, codes) = dict(net.named_parameters()), (t[0] for t in draw_inputs(TEXTS, 1))
    mean = torch.stack([p["embedding.weight"][row[row != 0]].mean(0) for row in codes])
    expected = affine(torch.tanh(affine(mean, p, "body.0")), p, "body.2")
    torch.testing.assert_close(net(x, codes), expected, **TIGHT)


@pytest.mark.parametrize("widths", [(), (5,)])
def test_stacked_it_is_a_loop_over_members(widths: tuple[int, ...]) -> None:
    compare_all(BagOfWords(embedding=4, widths=widths).build(TEXTS, 3, [BatchNorm(), Scaled()]).double(), TEXTS)


def test_neither_padding_nor_order_matters() -> None:
    net = drawn(BagOfWords(embedding=4).build(TEXTS, 3, ()))
    x, codes = (t[0] for t in draw_inputs(TEXTS, 1))
    padded = torch.cat((codes, torch.zeros(5, 4, dtype=torch.int64)), 1)
    assert torch.equal(net(x, padded), net(x, codes))
    torch.testing.assert_close(net(x, codes[:, [2, 0, 5, 1, 4, 3]]), net(x, codes), **TIGHT)


def test_techniques_find_their_room() -> None:
    layers = [BatchNorm(), Dropout(), Scaled()]
    assert unplaced(BagOfWords().build(TEXTS, 2, layers), layers) == []
    assert unplaced(BagOfWords(widths=()).build(TEXTS, 2, layers), layers) == layers[:2]


def test_it_learns_which_token_there_is() -> None:
    """Whether token 2 is among five; from a loss near log 2 to below 0.1."""
    codes = torch.randint(2, 9, (2, 64, 5), generator=torch.Generator().manual_seed(0))
    net = BagOfWords(embedding=8, widths=(8,)).build(TEXTS, 2, ())
    first, last = learns(net, (torch.zeros(2, 64, 0), codes), (codes == 2).any(-1).long(), steps=150, rate=0.5)
    assert first > 0.5 and last < 0.1


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: BagOfWords(embedding=0), "BagOfWords.embedding must be a positive whole number. Got 0."),
    (lambda: BagOfWords(widths=(0,)), "BagOfWords.widths must be a tuple of positive whole numbers. Got (0,)."),
    (
        lambda: BagOfWords().build(Inputs((5,)), 2, ()),
        "The input of BagOfWords must be texts. Got (5,). Use the net MLP, CNN or Recurrent.",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_what_no_network_can_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput) as error:
        make()
    assert str(error.value) == message
