"""As many hidden cells as asked for; the others stay; against PyTorch's dropout, which scales what it keeps."""

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from wellposed.errors import BadInput
from wellposed.random import make_key
from wellposed.techniques import FeatureMasking
from wellposed.techniques.batch.feature_masking import mask_cells
from wellposed.techniques.places import Batch

KEYS = make_key(torch.arange(3), step=1, place="feature masking")


def test_as_many_as_asked_for_of_numbers_and_codes() -> None:
    """By SciPy's exact test at 1e-6 for each of six: one false alarm in 1e5."""
    rates = torch.tensor([0.1, 0.5, 0.9])
    x, codes = mask_cells(torch.ones(3, 200, 50), torch.full((3, 200, 50), 7), rates, value=-2.0, key=KEYS)
    assert x.unique().tolist() == [-2, 1] and codes.unique().tolist() == [0, 7]
    for k in range(3):
        for hidden in ((x[k] == -2).sum(), (codes[k] == 0).sum()):
            assert stats.binomtest(int(hidden), 10_000, float(rates[k])).pvalue > 1e-6


def test_moments_are_those_of_dropout_without_its_scale() -> None:
    """Mean and variance of 1e5 cells within 6 standard errors of PyTorch's: one false alarm in 1e8."""
    torch.manual_seed(0)
    x = torch.ones(1, 1000, 100, dtype=torch.float64)
    ours = mask_cells(x, torch.zeros(1, 1000, 0, dtype=torch.int64), 0.3, key=KEYS[:1])[0]
    theirs = F.dropout(x, 0.3) * 0.7
    assert abs(float(ours.mean() - theirs.mean())) < 6 * (2 * 0.21 / 1e5) ** 0.5
    assert abs(float(ours.var() - theirs.var())) < 6 * (2 * 0.21 / 1e5) ** 0.5


def test_what_is_hidden_may_be_anything() -> None:
    """Hidden numbers leave no trace, not even of NaN."""
    x = torch.full((1, 2, 3), float("nan"))
    assert (mask_cells(x, torch.ones(1, 2, 0, dtype=torch.int64), 1.0, key=KEYS[:1])[0] == 0).all()


def test_sequences_are_refused() -> None:
    batch = Batch(torch.zeros(1, 2, 9, 2), torch.full((1, 2, 1), 9), torch.zeros(1, 2, 2), None)
    with pytest.raises(BadInput, match="must be a table"):
        FeatureMasking().batch(batch, KEYS[:1])
