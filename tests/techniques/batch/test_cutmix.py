"""Every cell comes from its row or from its partner, and the target says how many of which; against Kornia's paste."""

import math

import kornia.augmentation
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import CutMix
from wellposed.techniques.batch.cutmix import cut_boxes, cut_cells, cut_stretches
from wellposed.techniques.places import Batch, Facts

KEYS = make_key(torch.arange(3), step=1, place="cutmix")


def owners(*shape: int) -> Tensor:
    """`3 B ...` in which each entry is the number of its row."""
    return torch.arange(shape[0], dtype=torch.float64).view(1, -1, *[1] * (len(shape) - 1)).expand(3, *shape).clone()


def targets(rows: int) -> Tensor:
    return torch.eye(rows, dtype=torch.float64).expand(3, rows, rows)


def shares_of(x: Tensor, rows: int) -> Tensor:
    """How much of `3 B ...` belongs to which row: `3 B rows`."""
    return torch.stack([(x.flatten(2) == row).double().mean(-1) for row in range(rows)], dim=-1)


@pytest.mark.parametrize("each", ["batch", "row"])
@given(
    rows=st.integers(1, 7),
    h=st.integers(1, 9),
    w=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    alpha=st.floats(0.1, 5),
)
@settings(max_examples=15, deadline=None)
def test_targets_are_shares_of_pixels_and_pieces_are_boxes(
    each: str, rows: int, h: int, w: int, seed: int, alpha: float
) -> None:
    key = make_key(torch.arange(seed, seed + 3), step=0, place="any")
    weight = torch.arange(rows, dtype=torch.float64).expand(3, rows)
    batch = Batch(owners(rows, 2, h, w), torch.zeros(3, rows, 0, dtype=torch.int64), targets(rows), weight)
    mixed = CutMix(alpha=alpha, each=each).batch(batch, key)
    torch.testing.assert_close(mixed.y, shares_of(mixed.x, rows))
    torch.testing.assert_close(mixed.weight, (mixed.y @ weight.unsqueeze(-1)).squeeze(-1))
    assert torch.equal(mixed.x[:, :, 0], mixed.x[:, :, 1])
    foreign = mixed.x[:, :, 0] != batch.x[:, :, 0]
    box = foreign.any(-1, keepdim=True) & foreign.any(-2, keepdim=True)
    assert torch.equal(foreign, box)
    assert foreign.any(-1).int().diff(dim=-1).clamp(min=0).sum(-1).le(1).all()  # one run of lines and of columns
    assert foreign.any(-2).int().diff(dim=-1).clamp(min=0).sum(-1).le(1).all()


def test_boxes_that_touch_no_border_have_the_area_of_the_paper() -> None:
    """floor(H sqrt(1 - share)) by floor(W sqrt(1 - share)), with its center anywhere."""
    share = torch.linspace(0.2, 1, 3000, dtype=torch.float64).view(1, -1)
    box = cut_boxes(share, (20, 30), key=KEYS[:1])[0]
    border = box[:, 0].any(-1) | box[:, -1].any(-1) | box[..., 0].any(-1) | box[..., -1].any(-1)
    expected = [math.floor(20 * math.sqrt(1 - s)) * math.floor(30 * math.sqrt(1 - s)) for s in share[0].tolist()]
    area = box.sum((-2, -1))
    assert int((~border).sum()) > 500
    assert torch.equal(area[~border], torch.tensor(expected)[~border])
    assert (area <= torch.tensor(expected)).all()


def test_pastes_as_kornia_does() -> None:
    """With the box that was drawn, by Kornia's own mask."""
    x = torch.rand(3, 5, 2, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    none = torch.zeros(3, 5, 0, dtype=torch.int64)
    marks, y = owners(5, 1, 8, 6), targets(5)
    technique = CutMix(alpha=5.0)
    mixed, told = technique.batch(Batch(x, none, y, None), KEYS), technique.batch(Batch(marks, none, y, None), KEYS)
    for k in range(3):
        foreign = (told.x[k, :, 0] != marks[k, :, 0]).any(0)
        at = foreign.nonzero()
        top, left, bottom, right = *at.amin(0).tolist(), *at.amax(0).tolist()
        corners = torch.tensor([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=torch.float64)
        pair = told.x[k, :, 0, top, left].long()  # whose pixels lie in the box
        given = {"mix_pairs": pair.unsqueeze(0), "crop_src": corners.expand(1, 5, 4, 2)}
        assert torch.equal(
            mixed.x[k], kornia.augmentation.RandomCutMixV2(use_correct_lambda=True).apply_transform(x[k], given)
        )


def test_tables_are_cut_cell_by_cell() -> None:
    rows = 9
    codes = owners(rows, 4).long() + 1
    batch = Batch(owners(rows, 6), codes, targets(rows), None)
    mixed = CutMix(alpha=1.0, each="row").batch(batch, KEYS)
    torch.testing.assert_close(mixed.y, shares_of(torch.cat([mixed.x, mixed.codes - 1.0], dim=-1), rows))
    assert (mixed.codes != codes).any()
    assert ((mixed.y > 0).sum(-1) <= 2).all()


def test_a_share_of_the_cells_is_cut() -> None:
    """Within 6 standard errors: one false alarm in 5e8 a share."""
    share = torch.tensor([[0.1], [0.5], [0.9]], dtype=torch.float64)
    cut = cut_cells(share, 100_000, key=KEYS).double().mean((1, 2))
    error = (share[:, 0] * (1 - share[:, 0]) / 100_000).sqrt()
    assert ((cut - (1 - share[:, 0])).abs() < 6 * error).all()


def test_sequences_keep_their_length_and_their_padding() -> None:
    rows, size = 12, 15
    length = (torch.arange(rows) % 7 + 4).expand(3, rows)
    real = (torch.arange(size) < length.unsqueeze(-1)).unsqueeze(-1)
    x = torch.where(real, owners(rows, size, 2) + 1, 0.0)
    mixed = CutMix(alpha=1.0, each="row").batch(Batch(x, length.unsqueeze(-1), targets(rows), None), KEYS)
    assert torch.equal(mixed.codes[..., 0], length)
    assert torch.equal(mixed.x != 0, (x != 0))
    steps = torch.stack([(mixed.x[..., 0] == row + 1).sum(-1) for row in range(rows)], dim=-1)
    torch.testing.assert_close(mixed.y, steps / length.unsqueeze(-1).double())
    foreign = mixed.x[..., 0] != x[..., 0]
    assert foreign.int().diff(dim=-1).clamp(min=0).sum(-1).le(1).all()
    assert foreign.any()


def test_stretches_lie_anywhere_within_the_length() -> None:
    cut = cut_stretches(torch.full((1, 2000), 0.75), torch.full((1, 2000), 8), 10, key=KEYS[:1])[0]
    assert (cut.sum(-1) == 2).all()
    assert not cut[:, 8:].any()
    assert cut[:, :8].any(0).all()


def test_probability_says_how_often() -> None:
    """Of 3 x 1000 rows, 0.3 are used, within 6 standard errors: one false alarm in 5e8."""
    batch = Batch(owners(1000, 50), torch.zeros(3, 1000, 0, dtype=torch.int64), targets(1000), None)
    mixed = CutMix(alpha=100.0, probability=0.3, each="row").batch(batch, KEYS)
    used = (mixed.x != batch.x).any(-1).double().mean()
    assert abs(float(used) - 0.3) < 6 * math.sqrt(0.3 * 0.7 / 3000) + 2e-3  # a row is its own partner once in 1000
    never = CutMix(probability=0.0).batch(batch, KEYS)
    assert torch.equal(never.x, batch.x) and torch.equal(never.y, batch.y)


def test_texts_are_refused() -> None:
    facts = Facts(torch.zeros(0), torch.zeros(0), ("", "?", "dog"))
    batch = Batch(torch.zeros(1, 2, 0), torch.full((1, 2, 3), 2), torch.ones(1, 2, 2), None, facts)
    with pytest.raises(BadInput, match="must be a table, images or sequences"):
        CutMix().batch(batch, KEYS[:1])
