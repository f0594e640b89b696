"""Against torch.nn.utils.fusion, and against the network that was folded, in float64 with differences below 1e-10."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from wellposed.errors import BadInput, NoEffect
from wellposed.nets.mlp import Residual
from wellposed.techniques import BatchNorm, BatchRenorm, GhostBatchNorm, LayerNorm
from wellposed.techniques.prediction.fold_norm import fold_into_affine, fold_norm, fold_norms, foldable_pairs

AFFINE = {
    "linear": (nn.Linear(5, 4), (7, 5), nn.BatchNorm1d),
    "linear without bias": (nn.Linear(5, 4, bias=False), (7, 5), nn.BatchNorm1d),
    "convolution 1d": (nn.Conv1d(3, 4, 2), (7, 3, 5), nn.BatchNorm1d),
    "convolution 2d": (nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2), (7, 4, 5, 6), nn.BatchNorm2d),
    "convolution 2d without bias": (nn.Conv2d(3, 4, 2, bias=False), (7, 3, 5, 6), nn.BatchNorm2d),
    "convolution 3d": (nn.Conv3d(2, 4, 2), (7, 2, 3, 4, 3), nn.BatchNorm3d),
}
CASES = [pytest.param(*case, id=name) for name, case in AFFINE.items()]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def trained(net: nn.Module) -> nn.Module:
    """With numbers unlike those at the start, ready for answers."""
    net = net.double()
    for seed, (name, tensor) in enumerate(net.state_dict().items()):
        if tensor.is_floating_point():
            tensor.copy_(draw(*tensor.shape, seed=seed))
        if name.endswith(("running_var", "running_std")):
            tensor.abs_().add_(0.1)
    return net.eval()


@pytest.mark.parametrize(("affine", "shape", "kind"), CASES)
def test_equals_pytorch(affine: nn.Module, shape: tuple[int, ...], kind: type[nn.Module]) -> None:
    affine, norm, x = trained(copy.deepcopy(affine)), trained(kind(4, eps=1e-3)), draw(*shape)
    folded = fold_norm(affine, norm)
    theirs = (fuse_linear_bn_eval if isinstance(affine, nn.Linear) else fuse_conv_bn_eval)(affine, norm)
    assert type(folded) is type(affine)
    close(folded.weight, theirs.weight)
    close(folded.bias, theirs.bias)
    close(folded(x), norm(affine(x)))


@pytest.mark.parametrize("technique", [BatchNorm(eps=1e-3), GhostBatchNorm(eps=1e-3), BatchRenorm()])
def test_folds_this_packages_norms(technique: BatchNorm | GhostBatchNorm | BatchRenorm) -> None:
    for affine, x, shape in ((nn.Linear(5, 4), draw(7, 5), (4,)), (nn.Conv2d(3, 4, 2), draw(7, 3, 5, 6), (4, 4, 5))):
        net = trained(nn.Sequential(affine, technique.layer(shape)))
        close(fold_norms(net)(x), net(x))


def test_a_norm_without_scale_and_shift() -> None:
    affine, norm, x = trained(nn.Linear(5, 4)), trained(nn.BatchNorm1d(4, affine=False)), draw(7, 5)
    close(fold_norm(affine, norm)(x), norm(affine(x)))


def test_a_parametrized_layer_becomes_a_plain_one() -> None:
    affine, norm, x = (
        nn.utils.parametrizations.weight_norm(nn.Linear(5, 4)).double(),
        trained(nn.BatchNorm1d(4)),
        draw(7, 5),
    )
    folded = fold_norm(affine, norm)
    assert type(folded) is nn.Linear
    close(folded(x), norm(affine(x)))


def test_folds_members_at_once() -> None:
    weight, bias, scale, shift, x = draw(3, 4, 5), draw(3, 4), draw(3, 4), draw(3, 4), draw(3, 7, 5)
    new, offset = fold_into_affine(weight, bias, scale=scale, shift=shift)
    outputs = torch.baddbmm(bias.unsqueeze(1), x, weight.mT) * scale.unsqueeze(1) + shift.unsqueeze(1)
    close(torch.baddbmm(offset.unsqueeze(1), x, new.mT), outputs)


def nested() -> nn.Module:
    block = nn.Sequential(nn.Linear(6, 6), BatchNorm().layer((6,)), nn.ReLU(), nn.Linear(6, 6), nn.BatchNorm1d(6))
    return nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), Residual(block), nn.Linear(6, 2))


def test_folds_every_pair_of_a_network_and_leaves_the_original() -> None:
    net, x = trained(nested()), draw(7, 5)
    before, expected = {n: t.clone() for n, t in net.state_dict().items()}, net(x)
    folded = fold_norms(net)
    assert foldable_pairs(net) == [("0", "1"), ("3.block.0", "3.block.1"), ("3.block.3", "3.block.4")]
    assert foldable_pairs(folded) == []
    close(folded(x), expected)
    assert not any(isinstance(m, nn.BatchNorm1d) for m in folded.modules())
    assert not folded.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_answers_even_where_the_network_was_left_in_training() -> None:
    net, x = trained(nested()), draw(7, 5)
    expected = net(x)
    close(fold_norms(net.train())(x), expected)
    assert net.training


def test_a_layer_used_twice_is_left_alone() -> None:
    shared = nn.Linear(5, 5)
    net = trained(nn.Sequential(shared, nn.BatchNorm1d(5), nn.ReLU(), shared, nn.BatchNorm1d(5), nn.Linear(5, 5)))
    with pytest.warns(NoEffect, match="folded none"):
        folded = fold_norms(net)
    x = draw(7, 5)
    close(folded(x), net(x))


def test_a_chain_used_twice_is_folded_once() -> None:
    chain, x = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Tanh()), draw(7, 5)
    net = trained(nn.Sequential(chain, chain))
    folded = fold_norms(net)
    assert foldable_pairs(net) == [("0.0", "0.1")]
    close(folded(x), net(x))


def test_what_looks_on_keeps_its_layer() -> None:
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4))
    net[0].register_forward_hook(lambda *_: None)
    assert foldable_pairs(net) == []


def test_says_when_there_is_nothing_to_fold() -> None:
    net = nn.Sequential(nn.Linear(5, 4), LayerNorm().layer((4,)), nn.ReLU(), nn.BatchNorm1d(4))
    with pytest.warns(NoEffect, match="found no batch norm right behind a Linear or Conv in an nn.Sequential"):
        fold_norms(net)


@pytest.mark.parametrize(
    ("affine", "norm", "sentence"),
    [
        (nn.ReLU(), nn.BatchNorm1d(4), "The layer to fold into must be a Linear or a Conv. Got 'ReLU'."),
        (nn.Linear(5, 4), nn.LayerNorm(4), "The norm to fold must be a batch norm. Got 'LayerNorm'."),
        (nn.Linear(5, 4), nn.BatchNorm1d(3), "The norm to fold must have the 4 channels of its layer. Got 3."),
        (
            nn.Linear(5, 4),
            nn.BatchNorm1d(4, track_running_stats=False),
            "The norm to fold must keep running statistics.",
        ),
    ],
)
def test_refuses_what_does_not_fold(affine: nn.Module, norm: nn.Module, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        fold_norm(affine, norm)
    assert str(refused.value).startswith(sentence)
