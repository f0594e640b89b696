"""Against AutoAugment on images, against exact identities elsewhere; members of other policies together and alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.contracts.cases import CASES
from tests.techniques.batch.pictures import batch_of as batch_of_images
from tests.techniques.batch.pictures import images
from tests.techniques.batch.vocabulary import WORDS
from torch import Tensor

from wellposed.errors import BadInput
from wellposed.inputs.dataset import Rows
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs
from wellposed.population.population import Population
from wellposed.population.save import resume_training, save_training
from wellposed.random import make_key
from wellposed.recipe import Ramp, Recipe
from wellposed.schedules import Constant
from wellposed.techniques import AutoAugment, Policy
from wellposed.techniques.batch.kinds import Kind
from wellposed.techniques.batch.policy import EFFECTS, IDLE, MENUS, NAMES, OF_SYNONYMS, Written, read_numbers
from wellposed.techniques.batch.spaces import LEARNED
from wellposed.techniques.places import Batch, Facts
from wellposed.techniques.technique import strength_fields, structure

SYNONYMS = str(Path(__file__).parents[2] / "contracts" / "synonyms.txt")
KINDS: tuple[Kind, ...] = ("images", "a table", "sequences", "texts")
EACH = [(kind, name) for kind in KINDS for name in MENUS[kind] if name != "Identity"]
KEY = make_key(torch.tensor([3]), step=1, place="policy")


def batch_of(kind: Kind, members: int = 1, rows: int = 40) -> Batch:
    """The same rows for each member, of two classes, with weights."""
    draw = torch.Generator().manual_seed(0)
    y = torch.eye(2, dtype=torch.float64)[torch.arange(rows) % 2].expand(members, rows, 2)
    weight = torch.rand(rows, generator=draw, dtype=torch.float64).expand(members, rows)
    codes, facts = torch.zeros(members, rows, 0, dtype=torch.int64), Facts(torch.zeros(4), torch.ones(4))
    if kind == "images":
        x = images(1, rows, 3, 8, 8).expand(members, rows, 3, 8, 8)
        return batch_of_images(x)._replace(y=y, weight=weight)
    if kind == "sequences":
        length = torch.randint(3, 10, (rows, 1), generator=draw).expand(members, rows, 1)
        x = torch.randn(rows, 9, 2, generator=draw, dtype=torch.float64).expand(members, rows, 9, 2)
        x = torch.where((torch.arange(9) < length).unsqueeze(-1), x, 0)
        return Batch(x, length, y, weight, facts)
    if kind == "texts":
        codes = torch.randint(2, len(WORDS), (rows, 9), generator=draw)
        codes[:, 7:] = 0
        empty, nothing = torch.zeros(members, rows, 0, dtype=torch.float64), torch.zeros(0)
        return Batch(empty, codes.expand(members, rows, 9), y, weight, Facts(nothing, nothing, WORDS))
    codes = torch.randint(0, 4, (rows, 2), generator=draw).expand(members, rows, 2)
    x = torch.randn(rows, 4, generator=draw, dtype=torch.float64).expand(members, rows, 4)
    return Batch(x, codes, y, weight, facts)


def one(name: str, probability: float = 1.0, level: float = 1.0) -> Policy:
    """A policy of one operation."""
    return Policy(policy=(((name, probability, level), IDLE),), synonyms=SYNONYMS if name in OF_SYNONYMS else "")


def are_equal(a: Batch, b: Batch) -> bool:
    """Bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a[:4], b[:4], strict=True) if x is not None and y is not None)


def random_policy(kind: Kind, seed: int, subs: int = 2) -> Policy:
    """A policy of any operations."""
    draw = torch.Generator().manual_seed(seed)
    codes = torch.randint(len(MENUS[kind]), (subs, 2), generator=draw).tolist()
    numbers = (torch.rand(subs, 2, 2, generator=draw).mul(64).round() / 64).tolist()  # the same in any precision
    written = tuple(
        tuple((MENUS[kind][code], *pair) for code, pair in zip(*sub, strict=True))
        for sub in zip(codes, numbers, strict=True)
    )
    return Policy(policy=written, synonyms=SYNONYMS if kind == "texts" else "")


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_probability_0_changes_nothing(kind: Kind, name: str) -> None:
    batch = batch_of(kind)
    assert are_equal(one(name, probability=0.0).batch(batch, KEY), batch)
    assert are_equal(replace(one(name), probability=0.0).batch(batch, KEY), batch)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_changes_nothing(kind: Kind) -> None:
    assert are_equal(Policy().batch(batch_of(kind), KEY), batch_of(kind))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in EACH if name in EFFECTS])
def test_level_0_changes_nothing_but_on_images(kind: Kind, name: str) -> None:
    assert are_equal(one(name, level=0.0).batch(batch_of(kind), KEY), batch_of(kind))


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_each_operation_is_reached_and_touches_only_what_it_may(kind: Kind, name: str) -> None:
    batch = batch_of(kind)
    found = one(name).batch(batch, KEY)
    assert not are_equal(found, batch)
    mixes = name in ("Mixup", "CutMix")
    assert torch.equal(found.y, batch.y) is not mixes
    assert found.weight is not None
    assert batch.weight is not None
    assert torch.equal(found.weight, batch.weight) is not mixes
    torch.testing.assert_close(found.y.sum(-1), torch.ones_like(found.y[..., 0]))
    assert (found.x.shape, found.codes.shape, found.x.dtype) == (batch.x.shape, batch.codes.shape, batch.x.dtype)


def test_levels_are_those_that_techniques_declare_worth_searching() -> None:
    """From the strength that the contracts know to be neutral to the far end."""
    for name, effect in EFFECTS.items():
        declared = next(f for f in strength_fields(effect.technique) if f.name == effect.strength).metadata["search"]
        neutral = (CASES[effect.technique].neutral or {"share": 1.0})[effect.strength]
        assert (effect.technique.__name__, effect.low) == (name, neutral)
        assert effect.high == max(declared, key=lambda end: abs(end - neutral))


def test_on_images_it_is_auto_augment() -> None:
    policy = ((("Rotate", 0.7, 2.0), ("TranslateX", 0.3, 9.0)), (("Posterize", 0.4, 8.0), ("Cutout", 1.0, 5.0)))
    levels: Written = tuple(tuple((o, p, m / 9) for o, p, m in sub) for sub in policy)
    batch = batch_of("images", rows=200)
    expected = AutoAugment(policy=policy, probability=0.8).batch(batch, KEY)
    assert are_equal(Policy(policy=levels, probability=0.8).batch(batch, KEY), expected)
    assert tuple(LEARNED) == NAMES[: len(LEARNED)]


def test_rows_take_sub_policies_and_operations_as_often_as_written() -> None:
    """Chi-square of four outcomes, 20,000 rows, at one false alarm in a million."""
    policy = ((("FeatureMasking", 0.3, 1.0), IDLE), (("InputNoise", 1.0, 0.5), ("Identity", 1.0, 0.0)))
    batch = batch_of("a table", rows=20_000)
    batch = batch._replace(x=torch.ones(1, 20_000, 60, dtype=torch.float64), codes=batch.codes[..., :0])
    x = Policy(policy=policy, probability=0.5).batch(batch, KEY).x
    noisy, same = ((x != 0) & (x != 1)).any(-1), (x == 1).all(-1)
    counts = [int(noisy.sum()), int((~noisy & ~same).sum()), int(same.sum())]
    masked = 0.5 * 0.5 * 0.3  # none of 60 cells hidden: once in 2^60
    assert stats.chisquare(counts, [20_000 * p for p in (0.25, masked, 0.75 - masked)]).pvalue > 1e-6


@pytest.mark.parametrize(("name", "kind"), [("InputNoise", "a table"), ("Jitter", "sequences")])
def test_noise_has_the_deviation_of_its_level(name: str, kind: Kind) -> None:
    """Chi-square of the squares at a level of 0.4, two-sided, at one false alarm in a million."""
    batch = batch_of(kind, rows=3000)
    noise = (one(name, level=0.4).batch(batch, KEY).x - batch.x)[batch.x != 0]
    squares = float((noise / (0.4 * EFFECTS[name].high)).square().sum())
    assert 1e-6 < stats.chi2.cdf(squares, noise.numel()) < 1 - 1e-6


@pytest.mark.parametrize(("name", "level"), [("FeatureMasking", 0.6), ("SwapNoise", 0.6)])
def test_cells_are_changed_as_often_as_the_level_says(name: str, level: float) -> None:
    """The share of changed cells of 30,000, at one false alarm in a million."""
    rows = 3000
    x = torch.arange(1.0, rows + 1, dtype=torch.float64).view(1, rows, 1).expand(1, rows, 10)
    batch = batch_of("a table", rows=rows)._replace(x=x)
    n = int((one(name, level=level).batch(batch, KEY).x != x).sum())
    assert 1e-6 < stats.binom.cdf(n, rows * 10, 0.5 * level) < 1 - 1e-6


def test_mixup_gives_targets_and_weights_the_shares_that_rows_have() -> None:
    """Rows are unit vectors, so a mixture shows its shares."""
    rows = 40
    batch = batch_of("a table", rows=rows)._replace(x=torch.eye(rows, dtype=torch.float64).unsqueeze(0))
    found = one("Mixup", probability=0.5).batch(batch, KEY)
    shares = found.x[0]
    torch.testing.assert_close(shares.sum(-1), torch.ones(rows, dtype=torch.float64))
    assert batch.weight is not None
    assert found.weight is not None
    torch.testing.assert_close(found.y[0], shares @ batch.y[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found.weight[0], shares @ batch.weight[0], rtol=1e-12, atol=1e-12)
    assert ((shares.diagonal() == 1).sum() > 5) & ((shares.diagonal() < 1).sum() > 5)


@pytest.mark.parametrize("kind", ["a table", "sequences"])
def test_cutmix_gives_targets_the_shares_that_cells_have(kind: Kind) -> None:
    rows = 40
    batch = batch_of(kind, rows=rows)
    number = torch.arange(rows, dtype=torch.float64).view(1, rows, *[1] * (batch.x.dim() - 2))
    batch = batch._replace(x=number.expand(batch.x.shape), codes=torch.full_like(batch.codes, 9))
    if kind == "a table":
        batch = batch._replace(codes=batch.codes[..., :0])
    found = one("CutMix").batch(batch, KEY)
    for i in range(rows):
        cells = found.x[0, i].flatten().long()
        shares = torch.bincount(cells, minlength=rows) / len(cells)
        torch.testing.assert_close(found.y[0, i], shares.double() @ batch.y[0], rtol=1e-6, atol=1e-6)


def test_targets_that_are_numbers_are_mixed_too() -> None:
    rows = 40
    batch = batch_of("a table", rows=rows)._replace(x=torch.eye(rows, dtype=torch.float64).unsqueeze(0))
    y = torch.linspace(-1, 1, rows, dtype=torch.float64).view(1, rows, 1)
    found = one("Mixup").batch(batch._replace(y=y), KEY)
    torch.testing.assert_close(found.y[0], found.x[0] @ y[0], rtol=1e-12, atol=1e-12)


def test_windows_have_the_length_of_their_level() -> None:
    batch = batch_of("sequences")
    found = one("WindowCrop", level=0.5).batch(batch, KEY)
    assert torch.equal(found.codes, (batch.codes * 3) // 4)


@given(st.integers(0, 1000))
def test_texts_keep_their_words(seed: int) -> None:
    batch, key = batch_of("texts", rows=8), make_key(torch.tensor([seed]), step=0, place="texts")
    swapped = one("RandomSwap").batch(batch, key).codes
    assert torch.equal(swapped.sort(-1).values, batch.codes.sort(-1).values)
    shorter = one("RandomDeletion").batch(batch, key).codes
    for before, after in zip(batch.codes[0].tolist(), shorter[0].tolist(), strict=True):
        rest = iter(before)
        assert all(word in rest for word in after if word)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_members_of_other_policies_are_what_they_are_alone(kind: Kind, dtype: torch.dtype) -> None:
    each = [random_policy(kind, seed) for seed in range(5)]
    batch = batch_of(kind, members=len(each))
    batch = batch._replace(x=batch.x.to(dtype), y=batch.y.to(dtype), weight=None)
    key = make_key(torch.arange(len(each)), step=1, place="members")
    numbers = torch.tensor([read_numbers(p.policy) for p in each], dtype=dtype)  # type: ignore[arg-type]
    together = each[0].bound({"policy": numbers}).batch(batch, key)
    for k, own in enumerate(each):
        alone = own.batch(Batch(*[t if t is None else t[k : k + 1] for t in batch[:4]], batch.facts), key[k : k + 1])
        for a, b in zip(together[:3], alone[:3], strict=True):
            torch.testing.assert_close(a[k : k + 1], b, rtol=1e-6, atol=1e-6)


def rows_of() -> Rows:
    """Numbers of three classes."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 5, generator=draw, dtype=torch.float64) + torch.nn.functional.one_hot(y, 5)
    return Rows(x, torch.zeros(60, 0, dtype=torch.int64), y)


def trained(recipes: list[Recipe], seeds: list[int]) -> Tensor:
    population = Population(recipes, inputs=Inputs((5,)), outputs=3, seed=seeds, dtype=torch.float64)
    for _ in population.train(rows_of(), rows_of()):
        pass
    return population.raw_outputs(rows_of())


def recipes_of(n: int) -> list[Recipe]:
    plain = Recipe(net=MLP(widths=(8,)), epochs=3, batch_size=16)
    return [replace(plain, techniques=(random_policy("a table", seed),)) for seed in range(n)]


def test_one_population_trains_members_of_other_policies() -> None:
    """In float64: 1e-6 for sums in another order, which Adam divides by 1e-8 where a gradient is round-off alone."""
    recipes = recipes_of(3)
    assert len({recipe.structure() for recipe in recipes}) == 1
    together = trained(recipes, [4, 5, 6])
    for k, recipe in enumerate(recipes):
        torch.testing.assert_close(together[k : k + 1], trained([recipe], [4 + k]), rtol=1e-6, atol=1e-6)
    assert not torch.equal(trained([recipes[0]], [4]), trained([recipes[1]], [4]))


def test_a_training_is_resumed_with_its_policies(tmp_path: Path) -> None:
    def build(recipes: list[Recipe]) -> Population:
        return Population(recipes, inputs=Inputs((5,)), outputs=3, seed=[4, 5, 6], dtype=torch.float64)

    recipes, rows = recipes_of(3), rows_of()
    whole, halted, resumed = build(recipes), build(recipes), build(recipes)
    for progress in halted.train(rows, rows):
        if progress.epoch == 1:
            break
    save_training(halted, tmp_path)
    with pytest.raises(BadInput, match="strengths"):
        resume_training(build([recipes[0], recipes[2], recipes[1]]), tmp_path)
    resume_training(resumed, tmp_path)
    for population in (whole, resumed):
        for _ in population.train(rows, rows):
            pass
    assert torch.equal(whole.raw_outputs(rows), resumed.raw_outputs(rows))


def test_the_number_of_sub_policies_is_structure() -> None:
    assert structure(random_policy("a table", 0)) == structure(random_policy("a table", 1))
    assert structure(random_policy("a table", 0)) != structure(random_policy("a table", 0, subs=3))


def test_a_policy_is_neither_searched_nor_ramped() -> None:
    recipe = recipes_of(1)[0]
    assert "Policy.policy" in recipe.vectors()
    assert [name for name in recipe.strengths() if name.startswith("Policy")] == ["Policy.probability"]
    with pytest.raises(BadInput, match=r"Ramp\.strength"):
        replace(recipe, ramps=(Ramp(strength="Policy.policy", schedule=Constant()),))


@pytest.mark.parametrize(("kind", "name"), [("images", "Jitter"), ("a table", "Rotate"), ("texts", "Mixup")])
def test_refuses_operations_for_other_data(kind: Kind, name: str) -> None:
    with pytest.raises(BadInput, match=f"The operations of Policy must be those for {kind}. Got '{name}'"):
        one(name).batch(batch_of(kind), KEY)


def test_refuses_synonyms_from_nowhere() -> None:
    with pytest.raises(BadInput, match=r"Policy\.synonyms must name a source of synonyms for RandomInsertion"):
        Policy(policy=((("RandomInsertion", 0.5, 0.5), IDLE),))
