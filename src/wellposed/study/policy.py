"""`search_policy`: an augmentation policy for images, tables, sequences or texts, against random policies as control.

Whatever the strategy, as many random policies are trained for as many epochs: a search that is no better than they are
has found out nothing, however much it gains over no augmentation. The best of each side on one half of the validation
rows is trained again from fresh seeds, as is the recipe without a policy, and judged on the other half, which has
chosen nothing. No test row is looked at. What may be claimed is the paired difference to random with its interval.

| strategy | how policies are proposed |
|---|---|
| random | operation, probability and level of each place drawn evenly |
| tpe | by Optuna's tree of Parzen estimators, a round at a time |
| reinforce | by a categorical controller, which learns from each round's rewards (`controller`) |
| population | the control's own policies; members that do badly copy and change those of the best (`exploit`) |

Each round's proposals train as one population, since a policy is data and no structure. All begin with the same
weights and see their rows in the same order, so that they differ by their policies alone.

Sources: Cubuk et al., AutoAugment, 2019, https://arxiv.org/abs/1805.09501, section 3 (places, bins and reward); Ho et
al., Population based augmentation, 2019, https://arxiv.org/abs/1905.05393; Bergstra et al., Algorithms for
Hyper-Parameter Optimization, 2011 (TPE); Müller and Hutter, TrivialAugment, 2021, https://arxiv.org/abs/2103.10158,
section 5 (why random is the control).
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float64

from wellposed.bag import Bag
from wellposed.checks import check_choice, check_count, refusal
from wellposed.devices import find_device
from wellposed.inputs.dataset import Kind, Part
from wellposed.inputs.given import Given, read_given
from wellposed.inputs.parts import split
from wellposed.inputs.split import holdout
from wellposed.population.population import Progress
from wellposed.presets import Preset, sound
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.remarks import answers_of, networks_of
from wellposed.search_space import Dimension, Value
from wellposed.study.controller import Controller
from wellposed.study.exploit import Ancestry, Exploit, evolve
from wellposed.study.policy_search import Difference, PolicySearch, policy_in
from wellposed.study.samplers import derived_seed, propose
from wellposed.study.searching import network_seed
from wellposed.study.shard import Leg, Reached, Run, Setting, Shard, split_shards
from wellposed.study.trial import Trial
from wellposed.techniques import Policy
from wellposed.techniques.batch.kinds import Kind as KindOfBatch
from wellposed.techniques.batch.policy import IDLE, MENUS, NAMES, OF_SYNONYMS, Written, round_policy

Strategy: TypeAlias = Literal["random", "tpe", "population", "reinforce"]
STRATEGIES: tuple[Strategy, ...] = ("random", "tpe", "population", "reinforce")
KINDS: Mapping[Kind, KindOfBatch] = {
    "images": "images", "table": "a table", "sequence": "sequences", "text": "texts",
}  # fmt: skip
JUDGING_SHARE = 0.5
"""Of the validation rows: those that choose nothing."""
BINS = (11, 10)
"""Probabilities and levels between which the controller chooses, evenly spaced from 0 to 1."""

Values: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class PolicyPlan:
    """How policies are searched.

    Args:
        strategy: "random", "tpe", "population" or "reinforce".
        trials: Networks of the strategy, and as many of the control.
        rounds: So often "tpe" and "reinforce" propose.
        subs: Sub-policies of a policy.
        fresh: Networks that judge each of the best policies.
        seed: Of everything drawn.
        synonyms: For texts: the source of synonyms; without one, no operation replaces or inserts words.
        exploit: When and how the members of a population copy each other.
        most: Networks that train together at most.
    """

    strategy: Strategy = "reinforce"
    trials: int = 64
    rounds: int = 8
    subs: int = 3
    fresh: int = 10
    seed: int = 0
    synonyms: str = ""
    exploit: Exploit = field(default_factory=Exploit)
    most: int = 128

    def __post_init__(self) -> None:
        check_choice("strategy", self.strategy, STRATEGIES)
        for name in ("rounds", "subs", "most"):
            check_count(name, getattr(self, name))
        check_count("trials", self.trials, least=2)
        check_count("fresh", self.fresh, least=2)

    def sizes(self) -> list[int]:
        """How many each round proposes."""
        rounds = min(self.rounds, self.trials)
        return [self.trials // rounds + (i < self.trials % rounds) for i in range(rounds)]

    def menu(self, kind: Kind) -> tuple[str, ...]:
        """The operations for a kind of data."""
        return tuple(o for o in MENUS[KINDS[kind]] if self.synonyms or o not in OF_SYNONYMS)

    def dimensions(self, kind: Kind) -> list[Dimension]:
        """What varies: operation, probability and level of each place."""
        menu, found = self.menu(kind), list[Dimension]()
        for place in self.places():
            found.append(Dimension(name=f"{place} operation", kind="choice", options=menu))
            found += [Dimension(name=f"{place} {what}", kind="real", high=1.0) for what in ("probability", "level")]
        return found

    def places(self) -> list[str]:
        """The names of the places of a policy: two a sub-policy."""
        return [f"{sub + 1}.{step + 1}" for sub in range(self.subs) for step in range(2)]

    def policy(self, values: Values) -> Policy:
        """The policy that these values make."""
        each = [
            (str(values[f"{p} operation"]), float(values[f"{p} probability"]), float(values[f"{p} level"]))
            for p in self.places()
        ]
        written = tuple((each[2 * i], each[2 * i + 1]) for i in range(self.subs))
        return Policy(policy=round_policy(written), synonyms=self.synonyms)


def search_policy(
    data: Given,
    *,
    recipe: Recipe | Preset = sound,
    strategy: Strategy = "reinforce",
    trials: int = 64,
    rounds: int = 8,
    subs: int = 3,
    fresh: int = 10,
    seed: int = 0,
    synonyms: str = "",
    exploit: Exploit | None = None,
    test_share: float = 0.2,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    progress: Callable[[float], object] | None = None,
) -> PolicySearch:
    """Find an augmentation policy, and what it is worth beside the best of as many random ones.

    The test rows, held out as `wellposed fit` with the same seed does, are not looked at.

    >>> found = search_policy("iris", recipe=Recipe(epochs=2), strategy="tpe", trials=4, rounds=2, fresh=2)
    >>> len(found.trials), len(found.controls), len(found.policy.policy)
    (4, 4, 3)

    Args:
        data: Loaded data, a path, a built-in name, or features and target.
        recipe: What the policy is for, or a preset that makes it. A policy in it gives way to those that are searched.
        strategy: "random", "tpe", "population" or "reinforce".
        trials: Networks of the strategy, and as many of the control.
        rounds: So often "tpe" and "reinforce" propose.
        subs: Sub-policies of a policy.
        fresh: Networks that judge each of the best policies.
        seed: The same seed gives the same result.
        synonyms: For texts: path of a file with a group of synonyms a line, or of WordNet's folder `dict`.
        exploit: For "population": when and how members copy each other.
        test_share: Share of the rows held out for the test, where the data bring no test rows.
        device: Where networks train.
        progress: Called now and then with the share of the work that is done.

    Raises:
        BadInput: An argument is not what it must be, or no network's training stayed finite.
    """
    plan = PolicyPlan(
        strategy=strategy, trials=trials, rounds=rounds, subs=subs, fresh=fresh, seed=seed, synonyms=synonyms,
        exploit=exploit or Exploit(),
    )  # fmt: skip
    loaded = read_given(data)
    parts = split(loaded, test_share=test_share, seed=seed)
    chosen = recipe if isinstance(recipe, Recipe) else recipe(loaded.kind, len(parts.train))
    kept, held = holdout(loaded.task, parts.validation.target, share=JUDGING_SHARE, seed=seed + 2)
    setting = Setting(loaded.task, parts.train, parts.validation.take(kept), device=find_device(device))
    hunt = Hunt(setting, parts.validation.take(held), chosen, loaded.kind, plan, name=loaded.name)
    for share in hunt.run():
        if progress is not None:
            progress(share)
    return hunt.found()


class Hunt:
    """A search in progress; `run` is an iteration over the share of the work that is done.

    Args:
        setting: The rows to train on and to choose by.
        judging: The rows to judge by.
        recipe: What the policy is for.
        kind: Of the data.
        plan: How it is searched.
        name: Of the data.
    """

    def __init__(
        self, setting: Setting, judging: Part, recipe: Recipe, kind: Kind, plan: PolicyPlan, *, name: str = "the data"
    ) -> None:
        self.setting, self.judging, self.kind, self.plan, self.name = setting, judging, kind, plan, name
        self.recipe = replace(recipe, techniques=tuple(t for t in recipe.techniques if not isinstance(t, Policy)))
        self.trials: dict[str, list[Trial]] = {plan.strategy: [], "random": []}
        self.lives: list[Ancestry] = []
        self.gains: dict[str, Float64[np.ndarray, "F N"]] = {}
        self.began, self.seconds, self._networks = time.monotonic(), 0.0, 0

    def run(self) -> Iterator[float]:
        """Train the control, the strategy's proposals, and those who judge the best of both."""
        plan, dimensions = self.plan, self.plan.dimensions(self.kind)
        drawn = propose(dimensions, [], n=plan.trials, sampler="random", seed=plan.seed)
        yield from self._train("random", drawn)
        if plan.strategy == "population":
            yield from self._train("population", drawn, evolving=True)
        elif plan.strategy == "tpe":
            for size in plan.sizes():
                trials = self.trials["tpe"]
                yield from self._train("tpe", propose(dimensions, trials, n=size, sampler="tpe", seed=plan.seed))
        elif plan.strategy == "reinforce":
            yield from self._reinforce()
        yield from self._judge()
        self.seconds = time.monotonic() - self.began

    def found(self) -> PolicySearch:
        """What was found, once `run` is over."""
        plan, scores = self.plan, {name: tuple(abs(g).mean(1).tolist()) for name, g in self.gains.items()}
        best = self._best(plan.strategy)
        pairs = [("found", "random"), ("found", "none"), ("random", "none")]
        life = self.lives[best.number] if self.lives else Ancestry(((0, _written(policy_in(best.recipe))),))
        rows = {"train": self.setting.train, "choosing": self.setting.validation, "judging": self.judging}
        return PolicySearch(
            strategy=plan.strategy,
            policy=policy_in(best.recipe),
            control=policy_in(self._best("random").recipe),
            trials=tuple(self.trials[plan.strategy]),
            controls=tuple(self.trials["random"]),
            scores=scores,
            differences=tuple(Difference.of(a, b, self.gains) for a, b in pairs if {a, b} <= set(self.gains)),
            ancestry=life.policies,
            facts={
                "data": self.name,
                "task": self.setting.task,
                "rows": {name: len(part) for name, part in rows.items()},
                "epochs": self.recipe.epochs,
                "fresh": len(self.gains["random"]),
                "seed": plan.seed,
                "gain": "accuracy" if self.setting.task == "classification" else "mean absolute error avoided",
                "seconds": round(self.seconds, 3),
            },
        )

    def _with(self, policy: Policy) -> Recipe:
        return replace(self.recipe, techniques=(policy, *self.recipe.techniques))

    def _best(self, kind: str) -> Trial:
        """The trial with the lowest validation loss.

        Raises:
            BadInput: None has any.
        """
        scored = [t for t in self.trials[kind] if math.isfinite(t.score)]
        if not scored:
            got = next((t.failure for t in self.trials[kind] if t.failure), "none")
            raise refusal("Training", "give finite numbers with at least one policy", got, "Lower the learning rate.")
        return min(scored, key=lambda t: (t.score, t.number))

    def _reinforce(self) -> Iterator[float]:
        menu, plan = self.plan.menu(self.kind), self.plan
        controller = Controller.start([len(menu), *BINS] * len(plan.places()))
        bins = [[i / (n - 1) for i in range(n)] for n in BINS]
        for number, size in enumerate(plan.sizes()):
            key = make_key(torch.tensor(plan.seed), step=number, place="controller")
            choices = controller.propose(size, key=key)
            values = [
                {
                    f"{place} {what}": options[code]
                    for place, own in zip(plan.places(), row.view(-1, 3).tolist(), strict=True)
                    for what, options, code in zip(
                        ("operation", "probability", "level"), (menu, *bins), own, strict=True
                    )
                }
                for row in choices
            ]
            yield from self._train("reinforce", values)
            rewards = [-trial.score for trial in self.trials["reinforce"][-size:]]
            controller = controller.learned(choices, torch.tensor(rewards, dtype=torch.float64))

    def _train(self, kind: str, proposals: Sequence[Values], *, evolving: bool = False) -> Iterator[float]:
        """Train a round of proposals to their end, as trials of this kind."""
        trials = self.trials[kind]
        generation, first = (trials[-1].generation + 1 if trials else 0), len(trials)
        each = [self.plan.policy(values) for values in proposals]
        seed = network_seed(self.plan.seed, 0)
        listed = [(first + i, self._with(policy), seed) for i, policy in enumerate(each)]
        for shard in split_shards(generation, listed, most=self.plan.most):
            run, lives = Run(self.setting, shard), list[Ancestry]()
            yield from self._counted(self._evolved(run, lives) if evolving else _advanced(run), len(shard))
            for i, reached in enumerate(run.reached(last=True)):
                recipe = shard.recipes[i]
                if evolving:  # the policy of the epoch whose weights were kept
                    own = replace(policy_in(recipe), policy=lives[i].at(reached.best_epoch))
                    recipe = self._with(own)
                trials.append(_trial(shard, i, reached, recipe, proposals[reached.number - first]))
            self.lives += lives

    def _evolved(self, run: Run, lives: list[Ancestry]) -> Iterator[Progress]:
        plan, codes = self.plan, [NAMES.index(name) for name in self.plan.menu(self.kind)]
        policies = [_written(policy_in(recipe)) for recipe in run.shard.recipes]
        seed = derived_seed(plan.seed, "exploit", run.shard.index)
        return evolve(run, policies, menu=codes, exploit=plan.exploit, seed=seed, lives=lives)

    def _judge(self) -> Iterator[float]:
        """Train networks of fresh seeds with the best policies and with none, and ask them the rows that judge."""
        plan, idle = self.plan, Policy(policy=((IDLE, IDLE),) * self.plan.subs, synonyms=self.plan.synonyms)
        policies = {"random": policy_in(self._best("random").recipe), "none": idle}
        if plan.strategy != "random":
            policies = {"found": policy_in(self._best(plan.strategy).recipe), **policies}
        seeds = [network_seed(derived_seed(plan.seed, "fresh"), i) for i in range(plan.fresh)]
        pairs = [(self._with(policy), seed) for policy in policies.values() for seed in seeds]
        listed = [(number, recipe, seed) for number, (recipe, seed) in enumerate(pairs)]
        gains = np.full((len(listed), len(self.judging)), np.nan)
        for shard in split_shards(0, listed, most=plan.most):
            run = Run(self.setting, shard)
            yield from self._counted(_advanced(run), len(shard))
            for k, own in gains_of(run.bag, self.judging).items():
                gains[shard.numbers[k]] = own
        by_policy = gains.reshape(len(policies), plan.fresh, -1)
        sound = np.isfinite(by_policy).all((0, 2))  # seeds whose networks all have an answer
        if sound.sum() < 2:
            must = "give finite numbers with at least two fresh seeds"
            raise refusal("Training", must, int(sound.sum()), "Lower the learning rate.")
        self.gains = {name: own[sound] for name, own in zip(policies, by_policy, strict=True)}

    def _counted(self, training: Iterator[Progress], networks: int) -> Iterator[float]:
        """The share of all work that is done, while some networks train."""
        arms = 1 if self.plan.strategy == "random" else 2
        total = arms * self.plan.trials + (arms + 1) * self.plan.fresh
        for progress in training:
            yield (self._networks + networks * progress.epoch / progress.epochs) / total
        self._networks += networks


def gains_of(bag: Bag, part: Part) -> dict[int, Float64[np.ndarray, " N"]]:
    """What each network with weights gains on each row: 1 for the right class, or less the error in the own unit."""
    population = bag.population
    if not len(population.usable()):
        return {}
    each = answers_of(population, population.outputs_of(bag.rows(part.features)).cpu().double())
    networks = networks_of(population)
    found = {}
    for k in dict.fromkeys(networks.tolist()):
        answer = each[networks == k].mean(0).numpy()
        if bag.task == "classification":
            found[k] = (answer.argmax(1) == bag.target.encode(part.target).numpy()).astype(np.float64)
        else:
            found[k] = -np.abs(bag.target.decode(answer).reshape(-1) - part.target.astype(np.float64))
    return found


def _written(policy: Policy) -> Written:
    """A policy as it is written; those of recipes always are."""
    return tuple(policy.policy)


def _advanced(run: Run) -> Iterator[Progress]:
    return run.advance(Leg(until=run.shard.recipes[0].epochs))


def _trial(shard: Shard, i: int, reached: Reached, recipe: Recipe, values: Values) -> Trial:
    failed = bool(reached.failure) or not math.isfinite(reached.score)
    return Trial(
        number=reached.number,
        generation=shard.generation,
        shard=shard.index,
        values=values,
        recipe=recipe,
        seed=shard.seeds[i],
        state="failed" if failed else "complete",
        epochs=len(reached.curve),
        score=math.nan if failed else reached.score,
        metric=math.nan if failed else reached.metric,
        best_epoch=reached.best_epoch,
        curve=reached.curve,
        seconds=reached.seconds,
        failure=reached.failure or ("never finite" if failed else ""),
    )
