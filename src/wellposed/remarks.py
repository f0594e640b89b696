"""What is worth telling of a trained bag beside its scores: what changed nothing, what died, what voting gave."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed import metrics
from wellposed.bag import Bag
from wellposed.committee import voices
from wellposed.inputs.dataset import Rows
from wellposed.inputs.encode import TableEncoder
from wellposed.nets.mlp import Tabular
from wellposed.population.population import Population
from wellposed.techniques import ProximalL1
from wellposed.techniques.places import PassTechnique, UpdateTechnique
from wellposed.techniques.prediction.bagging import decompose_errors, out_of_bag
from wellposed.techniques.update.proximal_l1 import dead_inputs


def remark(bag: Bag) -> tuple[str, ...]:
    """Sentences about a bag after training."""
    idle = [f"{name} never changed a gradient: it has no effect." for name in bag.population.idle()]
    sparse = any(isinstance(t, ProximalL1) for t in bag.population.recipe.of(UpdateTechnique))
    return (*idle, *(_told_of(dead_features(bag)) if sparse else ()))


def dead_features(bag: Bag) -> list[str]:
    """Names of the features whose every weight in the first layer is exactly 0 in every network."""
    population = bag.population
    network = population.blueprint.template
    path, _ = next((path, m) for path, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d))
    weight = population.record.best[f"{path}.weight"][population.usable()]
    dead = set(dead_inputs(weight.flatten(0, 1)).tolist())
    return [name for name, columns in _columns(bag, weight.shape[2], network).items() if dead.issuperset(columns)]


def _columns(bag: Bag, inputs: int, network: nn.Module) -> dict[str, range]:
    """The inputs of the first layer that belong to each feature."""
    if not isinstance(bag.encoder, TableEncoder):
        return {f"input {i}": range(i, i + 1) for i in range(inputs)}
    found = {name: range(i, i + 1) for i, name in enumerate(bag.encoder.numeric_names)}
    first = len(found)
    if isinstance(network, Tabular):
        for name, width in zip(bag.encoder.category_names, network.embedded.sizes, strict=True):
            found[name], first = range(first, first + width), first + width
    return found


def _told_of(dead: list[str]) -> tuple[str, ...]:
    if not dead:
        return ("ProximalL1 left every feature some weight.",)
    more = f" and {len(dead) - 20} more" if len(dead) > 20 else ""
    return (f"ProximalL1 took all weight from {len(dead)} features: {', '.join(dead[:20])}{more}.",)


class Asked(NamedTuple):
    """What a trained bag says of rows.

    Attributes:
        rows: With their targets.
        answer: The bag's own: probabilities or numbers.
        each: The same of each usable network, and of each of its snapshots.
    """

    rows: Rows
    answer: Float[Tensor, "N C"]
    each: Float[Tensor, "L N C"]


def ask(bag: Bag, rows: Rows) -> Asked:
    """The answers of a trained bag and of its networks, from one run of these."""
    outputs = bag.population.outputs_of(rows).cpu().double()
    return Asked(rows, bag.population.vote(outputs), answers_of(bag.population, outputs))


def together(bags: Sequence[Bag], asked: Sequence[Asked]) -> Asked:
    """What several bags say of the same rows, each network with one voice."""
    share = torch.tensor(voices(bags), dtype=torch.float64)
    answer = sum(part.answer * weight for part, weight in zip(asked, share / share.sum(), strict=True))
    return Asked(asked[0].rows, torch.as_tensor(answer), torch.cat([part.each for part in asked]))


def measure_bagging(bags: Sequence[Bag], test: Asked, train: Asked) -> dict[str, Any]:
    """What the networks' errors on test rows say of their mean's, and an estimate from training rows nobody owns.

    The squared error is the Brier score, or that of numbers in units of the scaled target; each snapshot of a network
    counts as a network.

    Args:
        bags: After training.
        test: The test rows.
        train: The training rows, without those that the recipe adds.
    """
    classes = test.each.shape[-1]
    summed = classes if classes > 2 else 1  # over classes, as the Brier score is; of two classes one is counted
    errors = (test.each - target_of(bags[0], test.rows)).flatten(1) * math.sqrt(summed)
    found: dict[str, Any] = decompose_errors(errors)._asdict()
    owned = [own.cpu() for bag in bags if (own := bag.population.owned(len(train.rows))) is not None]
    if len(owned) == len(bags) and len({own.shape[1] for own in owned}) == 1:
        free = out_of_bag(train.each, torch.cat(owned))
        seen = ~free.isnan().any(1)
        scores = _scores(bags[0], free[seen], train.rows.y.cpu()[seen]) if seen.any() else {}
        found["out_of_bag"] = {"rows": int(seen.sum()), **scores}
    return found


def answers_of(population: Population, outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "L N C"]:
    """Probabilities or numbers of each usable network, and of each of its snapshots: the mean of its passes.

    Args:
        population: After training.
        outputs: What `outputs_of` gives.
    """
    answers = population.answers(outputs)
    return answers.view(passes_of(population), -1, *answers.shape[1:]).mean(0)


def passes_of(population: Population) -> int:
    """How often each network is asked for an answer."""
    return next((technique.draws for technique in population.recipe.of(PassTechnique)), 1)


def networks_of(population: Population) -> Int64[Tensor, " L"]:
    """The position among all networks of each one with weights to answer with; again for each of its snapshots."""
    return population.networks().cpu()


def answering(population: Population) -> list[int]:
    """The positions among all networks of those with weights to answer with, once each."""
    return sorted(set(networks_of(population).tolist()))


def by_network(population: Population, scores: Float[Tensor, " L"]) -> Float[Tensor, " M"]:
    """The mean over each usable network's snapshots."""
    networks = networks_of(population)
    return torch.tensor([float(scores[networks == k].mean()) for k in answering(population)], dtype=scores.dtype)


def target_of(bag: Bag, rows: Rows) -> Float[Tensor, "N C"]:
    """What the answers should be."""
    y: Float[Tensor, "N C"] | Int64[Tensor, " N"] = rows.y.cpu()
    return y.double() if y.is_floating_point() else nn.functional.one_hot(y, bag.population.outputs).double()


def _scores(bag: Bag, answer: Float[Tensor, "N C"], y: Tensor) -> dict[str, float]:
    if bag.task == "classification":
        return metrics.classification_metrics(answer, y)
    mean, deviation = bag.target.scale
    return metrics.regression_metrics(*(t.double().squeeze(-1) * deviation + mean for t in (answer, y)))
