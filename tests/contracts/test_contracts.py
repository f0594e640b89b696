"""What every technique keeps, whatever it does: run over the table of cases."""

import math
from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from tests.contracts.case import Case
from tests.contracts.cases import CASES
from tests.contracts.stage import ACTS, Stage, act, untouched
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.recipe import Recipe
from wellposed.techniques import TECHNIQUES
from wellposed.techniques.places import BatchTechnique, DataTechnique, InnerTechnique
from wellposed.techniques.technique import Technique, strength_fields

K = 3
EVERY = [pytest.param(case, id=kind.__name__) for kind, case in CASES.items()]
OF_MEMBERS = [p for p in EVERY if isinstance(p.values[0].example, (*ACTS, BatchTechnique, InnerTechnique))]
OF_ROWS = [p for p in EVERY if isinstance(p.values[0].example, DataTechnique)]
NEUTRAL = [p for p in EVERY if p.values[0].neutral is not None]


def differing(technique: Technique, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Other strengths for each member: from one end to the other of what is worth searching."""
    return {f.name: torch.linspace(*f.metadata["search"], K, dtype=dtype) for f in strength_fields(type(technique))}


def test_every_technique_has_a_case_and_a_name() -> None:
    assert set(CASES) == set(TECHNIQUES.values())
    assert all(name == kind.__name__ for name, kind in TECHNIQUES.items())


@pytest.mark.parametrize("case", EVERY)
def test_is_a_value(case: Case) -> None:
    twin = replace(case.example)
    assert twin is not case.example
    assert (twin, hash(twin)) == (case.example, hash(case.example))
    with pytest.raises(FrozenInstanceError):
        case.example.anything = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", EVERY)
def test_example_says_something_else_than_the_default(case: Case) -> None:
    assert not fields(case.example) or case.example != type(case.example)()


@pytest.mark.parametrize("case", EVERY)
def test_declares_sound_ranges(case: Case) -> None:
    for f in strength_fields(type(case.example)):
        (low, high), (worst, best) = f.metadata["valid"], f.metadata["search"]
        assert low <= f.default <= high, f.name
        assert low <= worst < best <= high, f.name
        assert worst > 0 or not f.metadata["log"], f.name


@pytest.mark.parametrize("case", EVERY)
def test_refuses_strengths_out_of_range(case: Case) -> None:
    name = type(case.example).__name__
    for f in strength_fields(type(case.example)):
        low, high = f.metadata["valid"]
        beyond = [low - 1, high + 1] if math.isfinite(high) else [low - 1]
        for value in (*beyond, math.nan, "1", True, None):
            with pytest.raises(BadInput) as refused:
                type(case.example)(**{f.name: value})
            assert str(refused.value) == f"{name}.{f.name} must be in [{low:g}, {high:g}]. Got {value!r}."


@pytest.mark.parametrize("case", EVERY)
def test_refuses_structure_out_of_range(case: Case) -> None:
    for name, values in case.refused.items():
        for value in values:
            with pytest.raises(BadInput) as refused:
                type(case.example)(**{name: value})
            sentence = str(refused.value)
            assert sentence.startswith(f"{type(case.example).__name__}.{name} must "), sentence
            assert f"Got {value!r}." in sentence


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", NEUTRAL)
def test_neutral_strength_changes_nothing(case: Case, dtype: torch.dtype) -> None:
    """Nothing at all, whether members share the strength or hold one each."""
    stage = Stage.build(K, dtype)
    neutral = replace(case.example, **case.neutral)
    expected = untouched(neutral, stage, case.kind)
    apart = {name: torch.full((K,), value, dtype=dtype) for name, value in case.neutral.items()}
    for strengths in ({}, apart):
        found = act(neutral, strengths, stage, case.kind)
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("case", NEUTRAL)
def test_other_strengths_change_something(case: Case) -> None:
    stage = Stage.build(K, torch.float64)
    expected = untouched(case.example, stage, case.kind)
    found = act(case.example, {}, stage, case.kind)
    assert any(not torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("case", OF_MEMBERS)
def test_among_others_equals_alone(case: Case) -> None:
    """Members of other strengths, together and one by one as plain floats.

    Only sums may come out in another order, of at most 100 numbers near 1: hence 1e-13 of float64's 1e-16.
    """
    stage, strengths = Stage.build(K, torch.float64), differing(case.example)
    together = act(case.example, strengths, stage, case.kind)
    for k in range(K):
        own = replace(case.example, **{name: float(values[k]) for name, values in strengths.items()})
        for name, tensor in act(own, {}, stage.take(k), case.kind).items():
            torch.testing.assert_close(together[name][k : k + 1], tensor, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", OF_MEMBERS)
def test_a_member_of_nan_leaves_the_others_as_they_are(case: Case) -> None:
    stage = Stage.build(K, torch.float32)
    strengths = differing(case.example, torch.float32)
    sound = act(case.example, strengths, stage, case.kind)
    spoiled = act(case.example, strengths, stage.spoiled(1), case.kind)
    for name, tensor in sound.items():
        for k in (0, 2):
            assert torch.equal(spoiled[name][k], tensor[k]), name


@pytest.mark.parametrize("case", OF_MEMBERS)
def test_memory_order_does_not_matter(case: Case) -> None:
    """Tensors whose first axis lies innermost in memory. (Sums may come in another order: 1e-13.)"""
    stage, strengths = Stage.build(K, torch.float64), differing(case.example)
    strided = stage.changed(lambda t: t.movedim(0, -1).contiguous().movedim(-1, 0))
    found = act(case.example, strengths, strided, case.kind)
    for name, tensor in act(case.example, strengths, stage, case.kind).items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("case", OF_MEMBERS)
def test_keeps_the_dtype(case: Case, dtype: torch.dtype) -> None:
    for strengths in ({}, differing(case.example, dtype)):
        for name, tensor in act(case.example, strengths, Stage.build(K, dtype), case.kind).items():
            assert not tensor.is_floating_point() or tensor.dtype == dtype, name
            assert torch.isfinite(tensor).all(), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(40, 3), (10, 2, 4, 4)], ids=["numbers", "images"])
@pytest.mark.parametrize("case", OF_ROWS)
def test_data_are_changed_row_by_row(case: Case, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """What a row becomes hangs on training rows alone, not on the rows beside it; rows of weight 0 never count."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    fitted = case.example.fit(x, None)
    together = case.example.data(x, fitted)
    assert (together.shape, together.dtype) == (x.shape, dtype)
    for n in (0, 7):
        assert torch.equal(case.example.data(x[n : n + 1], fitted)[0], together[n])

    garbage = torch.full_like(x[:3], 1e6)
    weight = torch.cat([torch.ones(len(x), dtype=dtype), torch.zeros(3, dtype=dtype)])
    padded = case.example.fit(torch.cat([x, garbage]), weight)
    for name, tensor in fitted.items():
        torch.testing.assert_close(padded[name], tensor)
        assert padded[name].dtype == dtype


@pytest.mark.parametrize("case", EVERY)
def test_survives_toml(case: Case) -> None:
    recipe = Recipe(techniques=(case.example,))
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that PyTorch can use")
@pytest.mark.parametrize("case", OF_MEMBERS)
def test_a_gpu_gives_what_the_cpu_gives(case: Case) -> None:
    """In float64; integers of the draws are equal to the bit, and functions differ in the last places."""
    stage, strengths = Stage.build(K, torch.float64), differing(case.example)
    there = {name: values.cuda() for name, values in strengths.items()}
    found = act(case.example, there, stage.changed(lambda t: t.cuda()), case.kind)
    for name, tensor in act(case.example, strengths, stage, case.kind).items():
        torch.testing.assert_close(found[name].cpu(), tensor, rtol=1e-8, atol=1e-8)
