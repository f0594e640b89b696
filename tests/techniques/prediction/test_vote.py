"""Mean, shares of votes, medians; ties; and the inequality that bagging rests on."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wellposed.techniques import Vote
from wellposed.techniques.prediction.vote import TIE, share_votes, take_median


def probabilities(k: int, n: int, c: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(k, n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).softmax(-1)


def test_mean_of_probabilities_and_of_numbers() -> None:
    p = probabilities(5, 7, 3)
    torch.testing.assert_close(Vote().predict(p, {}), p.mean(0))
    torch.testing.assert_close(Vote().predict(p[..., :1], {}), p[..., :1].mean(0))


@given(st.integers(1, 9), st.integers(2, 4), st.integers(0, 1000))
def test_majority_is_most_votes_and_then_highest_mean(k: int, c: int, seed: int) -> None:
    p = probabilities(k, 6, c, seed)
    found = Vote(how="majority").predict(p, {})
    torch.testing.assert_close(found.sum(-1), torch.ones(6, dtype=torch.float64))
    for n in range(6):
        votes = Counter(p[:, n].argmax(-1).tolist())
        best = max(range(c), key=lambda j: (votes[j], float(p[:, n, j].mean())))
        assert int(found[n].argmax()) == best
        for j in range(c):
            assert abs(float(found[n, j]) - votes[j] / k) <= TIE / k


def test_no_mean_outweighs_one_vote() -> None:
    """51 timid members against 50 sure ones, in single precision."""
    timid, sure = torch.tensor([0.51, 0.49]), torch.tensor([0.0, 1.0])
    p = torch.stack([timid] * 51 + [sure] * 50).unsqueeze(1)
    assert share_votes(p).argmax() == 0
    assert Vote().predict(p, {}).argmax() == 1


@pytest.mark.parametrize("k", [1, 2, 5, 6])
def test_majority_of_numbers_is_the_median(k: int) -> None:
    x = torch.randn(k, 9, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(take_median(x), np.median(x.numpy(), axis=0), rtol=1e-12)
    assert torch.equal(Vote(how="majority").predict(x, {}), take_median(x))


def test_one_member_answers_for_itself_and_order_does_not_matter() -> None:
    p = probabilities(6, 7, 3)
    assert torch.equal(Vote().predict(p[:1], {}), p[0])
    for how in ("mean", "majority"):
        torch.testing.assert_close(Vote(how=how).predict(p.flip(0), {}), Vote(how=how).predict(p, {}))


def test_the_mean_errs_no_more_than_its_members_do_on_average() -> None:
    p, codes = probabilities(5, 50, 3), torch.arange(50) % 3
    own = -p[:, torch.arange(50), codes].log().mean(1)
    together = -Vote().predict(p, {})[torch.arange(50), codes].log().mean()
    assert together <= own.mean()
