"""The population: K networks of one structure, trained as one program."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.checks import refusal
from wellposed.inputs.dataset import Rows, Task
from wellposed.nets.net import Inputs
from wellposed.nets.stacking import Forward
from wellposed.population import evaluate, plan
from wellposed.population.build import Blueprint, Factory, build_template, initial_state, strengths_in
from wellposed.population.crew import Crew, Mode
from wellposed.population.ownership import check_positions, draw_owned, refuse_own_rows
from wellposed.population.record import Record
from wellposed.population.score import close_epoch, measures_statistics, score
from wellposed.population.start import facts_of, start_
from wellposed.population.state import State, take
from wellposed.population.step import CRITERIA
from wellposed.population.train import Anchor, Training, drawing_places, train_epoch
from wellposed.random import make_key
from wellposed.recipe import Recipe
from wellposed.techniques import Vote
from wellposed.techniques.places import (
    AnswerTechnique,
    BatchTechnique,
    GradientTechnique,
    GrowthTechnique,
    OutputTechnique,
    PassTechnique,
    PredictionTechnique,
    SampleTechnique,
    SnapshotTechnique,
)


@dataclass(frozen=True)
class Progress:
    """How far training is.

    Attributes:
        epoch: Epochs done, with the part of the current one.
        epochs: Epochs at most.
        living: Members still training.
        best_score: Lowest mean validation loss of a member so far; infinite before the first evaluation.
        seconds: Since training began.
    """

    epoch: float
    epochs: int
    living: int
    best_score: float
    seconds: float


class Population:
    """K networks of one structure, trained as one program; one network is a population of one.

    Args:
        recipes: One recipe for all members, or one a member: of one structure, with strengths of their own.
        inputs: What a row looks like.
        outputs: Classes, or 1 for regression.
        task: Decides the loss: cross-entropy, or squared error.
        members: K, where one recipe is given.
        seed: Of the whole population: member k's own seed is the same however many members there are. A sequence
            gives each member's seed itself.
        factory: Makes the module to train instead of the recipe's net. Any module works; layers that draw at random by
            PyTorch's functional dropout draw from PyTorch's stream and are not reproducible member by member.
        dtype: Of parameters: float32 or float64.
        device: Where training runs.

    Training is an iteration, so whoever iterates decides when it ends:

    >>> rows = Rows(torch.randn(40, 3), torch.zeros(40, 0, dtype=torch.int64), torch.arange(40) % 2)
    >>> population = Population(Recipe(epochs=2), inputs=Inputs((3,)), outputs=2, members=4)
    >>> for progress in population.train(rows):
    ...     pass
    >>> population.predict(rows).shape
    torch.Size([40, 2])
    """

    def __init__(
        self,
        recipes: Recipe | Sequence[Recipe],
        *,
        inputs: Inputs,
        outputs: int,
        task: Task = "classification",
        members: int = 1,
        seed: int | Sequence[int] = 0,
        factory: Factory | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        each = [recipes] * members if isinstance(recipes, Recipe) else list(recipes)
        if not each:
            raise refusal("Population.members", "be at least 1", members if isinstance(recipes, Recipe) else 0)
        if any(recipe.structure() != each[0].structure() for recipe in each):
            raise refusal(
                "The recipes of one population", "have one structure", "several", "Train one population each."
            )
        self.recipes, self.inputs, self.outputs, self.task = tuple(each), inputs, outputs, task
        self.device, self.dtype = torch.device(device), dtype
        self.blueprint: Blueprint = build_template(
            each[0], inputs=inputs, outputs=outputs, factory=factory, dtype=dtype, device=self.device
        )
        self.seeds = member_seeds(seed, len(each)).to(self.device)
        self.state: State = initial_state(self.blueprint, each, self.seeds, dtype=dtype, device=self.device)
        self.strengths_digest = _digest(each)
        slots = next((t.slots for t in self.recipe.of(SnapshotTechnique)), 1)
        self.record = Record.empty(self.state.answering(), len(each), self.device, slots=slots)
        self.corrections: list[dict[str, Tensor]] = []
        self.pool: Int64[Tensor, "K M"] | None = None
        self.judged: Int64[Tensor, "K V"] | None = None

    def __len__(self) -> int:
        return len(self.record.ended)

    @property
    def recipe(self) -> Recipe:
        """The structure that all members share, with the first member's strengths."""
        return self.blueprint.recipe

    def train(
        self,
        rows: Rows,
        validation: Rows | None = None,
        *,
        owned: Int64[Tensor, "K M"] | None = None,
        judged: Int64[Tensor, "K V"] | None = None,
    ) -> Iterator[Progress]:
        """Train until every member has stopped, failed, or done the recipe's epochs.

        Leaving the iteration early is safe at any point; `settle` then makes the best of what was reached.

        Args:
            rows: Training rows.
            validation: Rows for early stopping and for choosing each member's best weights; without them the last
                weights count and no member stops early.
            owned: Positions among `rows` that each member trains on, in place of all: it learns what it would learn
                from these rows alone, and a technique that draws each member's rows draws from them. So members whose
                rows were split, and scaled, each in its own way train as one population. (What techniques of the batch
                are told of the data, such as the range of pixels, is told of all rows.)
            judged: Positions among `validation` on which each member is judged, in place of all.

        Raises:
            BadInput: Positions of another shape, or without such rows; or positions together with techniques that look
                at all rows at once.
        """
        if owned is not None or judged is not None:
            refuse_own_rows(self.recipe)
        if owned is not None:
            self.pool = check_positions("owned", owned, len(self), rows, self.device)
        if judged is not None:
            self.judged = check_positions("judged", judged, len(self), validation, self.device)
        rows, began = self._grown(rows), time.monotonic() - self.record.seconds
        held = None if validation is None else self._moved(validation)
        if self.state.step == 0:
            start_(self.blueprint, self.state, rows, self.outputs)
        if self.state.owned is None:
            state, pool = self.state, None if self.pool is None else self.pool[self.state.ids]
            self.state = replace(state, owned=draw_owned(self.recipe, state.seeds, len(rows), pool=pool))
        with plan.kept_pages(), self._crew() as crew:
            training, anchor = self._training(rows), Anchor()
            while self.record.epochs < self.recipe.epochs and len(self.state):
                for state, share in train_epoch(crew, training, self.state, self.record, rows, anchor):
                    self.state = state
                    self.record.seconds = time.monotonic() - began
                    if share < 1:
                        yield self._progress(share)
                self.state = close_epoch(crew, training, self.state, self.record, rows, held)
                yield self._progress(0.0)
        if held is not None:
            self.correct(held)

    def settle(self, rows: Rows, validation: Rows | None = None) -> None:
        """Count what was reached since the last evaluation, after training was left between two of them.

        Args:
            rows: The training rows.
            validation: As training had them.
        """
        if len(self.state) and self.state.step:
            held, training = None if validation is None else self._moved(validation), self._training()
            rows = self._grown(rows) if measures_statistics(training) else self._moved(rows)
            with self._crew() as crew:
                score(crew, training, self.state, self.record, rows, held, leaving=True)
            if held is not None:
                self.correct(held)

    def retire(self, members: Sequence[int]) -> None:
        """Let members leave between two epochs, so that training costs what those that stay cost.

        Their best weights and curves stay in the record; members that have left already are passed over.

        Args:
            members: Their positions among all members.
        """
        leaving = torch.isin(self.state.ids, torch.tensor(list(members), dtype=torch.int64, device=self.device))
        self.record.ended[self.state.ids[leaving]] = self.record.epochs
        self.state = self.state.take((~leaving).nonzero().flatten())

    def correct(self, validation: Rows) -> None:
        """Fit what corrects and joins the members' answers, such as temperatures or shares of members, after training.

        Args:
            validation: Rows that no member was trained on.
        """
        self.corrections = []
        if not len(self.usable()) or (not self.recipe.of(OutputTechnique) and isinstance(self._joining(), Vote)):
            return
        outputs, y = self.raw_outputs(validation), self._moved(validation).y
        if self.task == "classification" and y.is_floating_point():
            y = y.argmax(-1)  # of soft labels the likeliest class
        for technique in self.recipe.of(OutputTechnique):
            self.corrections.append(technique.fit(outputs, y))
            outputs = technique.output(outputs, self.corrections[-1])
        self.corrections.append(self._joining().fit(self.answers(outputs), y))

    def outputs_of(self, rows: Rows, *, judged: Int64[Tensor, "L V"] | None = None) -> Float[Tensor, "K N C"]:
        """What each usable member says of each row: logits, or scaled numbers; corrected where the recipe says so.

        Snapshots of one member are members of their own here, and so is each draw of Monte-Carlo dropout.

        Args:
            rows: What they are asked.
            judged: Positions among them that each usable member is asked, in place of all.
        """
        if judged is not None:
            judged = check_positions("judged", judged, len(self.usable()), rows, self.device)
        outputs = self.raw_outputs(rows, judged=judged)
        for technique, fitted in zip(self.recipe.of(OutputTechnique), self.corrections, strict=False):
            outputs = technique.output(outputs, fitted)
        return outputs

    def raw_outputs(self, rows: Rows, *, judged: Int64[Tensor, "L V"] | None = None) -> Float[Tensor, "K N C"]:
        """The same without correction."""
        passes, seeds = self.recipe.of(PassTechnique), self.seeds_of_usable()
        if not passes:
            return self._run(rows, "answer", [{}], judged)
        places = drawing_places(self.blueprint.template, self.recipe)
        draws = [
            {name: make_key(seeds, step=i, place=f"answer.{name}") for name in places} for i in range(passes[0].draws)
        ]
        return self._run(rows, "draw", draws, judged)

    def seeds_of_usable(self) -> Int64[Tensor, " L"]:
        """The seeds of the usable members; those of a member's snapshots are its own."""
        return self.seeds[self.networks()]

    def networks(self) -> Int64[Tensor, " L"]:
        """The position among all members of each usable one; again for each of its snapshots."""
        return self.usable() % len(self)

    def owned(self, n: int) -> Int64[Tensor, "L M"] | None:
        """Positions among `n` training rows that each usable member was trained on; None where each had all."""
        if not self.recipe.of(SampleTechnique) or self.recipe.of(GrowthTechnique):
            return None
        return draw_owned(self.recipe, self.seeds_of_usable(), n, pool=None)

    def _run(
        self, rows: Rows, mode: Mode, draws: Sequence[Mapping[str, Tensor]], judged: Int64[Tensor, "L V"] | None
    ) -> Float[Tensor, "K N C"]:
        """What the usable members say in a mode, once for each of `draws`: keys by name, one a usable member."""
        ids = self.usable()
        if not len(ids):
            raise refusal("A population that answers", "have a member whose training did not fail", "none")
        rows, kept, training = self._moved(rows), take(self.record.best, ids), self._training()
        ranges = training.ranges(len(ids), 256)
        at_once = plan.evaluated_rows(training.work, members=max(r.stop - r.start for r in ranges))
        threads = training.threads_each(len(ids), 256, len(ranges))

        def ask(crew: Crew, tensors: Mapping[str, Tensor]) -> list[Tensor]:
            def answer(forward: Forward, i: int) -> Tensor:
                own, k = take(tensors, ranges[i]), ranges[i].stop - ranges[i].start
                positions = None if judged is None else judged[ranges[i]]
                return evaluate.outputs(forward, own, rows, k=k, at_once=at_once, positions=positions)

            return crew.run(answer, shares=len(ranges), threads=threads, mode=mode)

        with plan.kept_pages(), self._crew() as crew:
            return torch.cat([outputs for keys in draws for outputs in ask(crew, {**kept, **keys})])

    def predict(self, rows: Rows) -> Float[Tensor, "N C"]:
        """The population's one answer for each row: class probabilities, or scaled numbers."""
        return self.vote(self.outputs_of(rows))

    def vote(self, outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "N C"]:
        """One answer for each row from what the members say of it."""
        fitted = self.corrections[-1] if self.corrections else {}
        return self._joining().predict(self.answers(outputs), fitted)

    def _joining(self) -> PredictionTechnique:
        """How many answers become one."""
        return next(iter(self.recipe.of(PredictionTechnique)), Vote())

    def answers(self, outputs: Float[Tensor, "K N C"]) -> Float[Tensor, "K N C"]:
        """Outputs as probabilities, or as numbers."""
        return outputs.softmax(-1) if self.task == "classification" else outputs

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take trained weights, `K ...` by name, as `record.best` holds them; training is then over.

        Raises:
            BadInput: A tensor is missing, is not known, or has another shape.
        """
        expected = self.state.answering()
        for name in sorted({*weights, *expected}):
            got = tuple(weights[name].shape) if name in weights else None
            must = tuple(expected[name].shape) if name in expected else None
            if got != must:
                raise refusal(f"The tensor {name!r} of the weights", f"have the shape {must}", got)
        self.record = Record.empty(expected, len(self), self.device)  # former snapshots are members of their own
        for name, tensor in self.record.best.items():
            tensor.copy_(weights[name])
        self.record.best_epoch[:] = 1
        self.record.ended[:] = 1
        self.state = self.state.take(slice(0, 0))

    def idle(self) -> list[str]:
        """Names of the gradient techniques that have never changed a gradient, such as a clip that never fired."""
        listed = self.recipe.of(GradientTechnique)
        return [type(t).__name__ for i, t in enumerate(listed) if i not in self.record.fired] if self.state.step else []

    def usable(self) -> Int64[Tensor, " L"]:
        """Members with weights to answer with: those that were evaluated, or reached the end, with finite numbers."""
        return self.record.best_epoch.nonzero().flatten()

    def _crew(self) -> Crew:
        one = self.device.type != "cpu"
        return Crew(self.blueprint.template, 1 if one else torch.get_num_threads())

    def _moved(self, rows: Rows) -> Rows:
        return rows.to(self.device, self.dtype)

    def _grown(self, rows: Rows) -> Rows:
        """The training rows, with those that the recipe adds to them."""
        if self.task == "classification" and rows.y.is_floating_point():
            check_soft_labels(rows.y, self.outputs)
        for technique in self.recipe.of(GrowthTechnique):
            rows = technique.grow(rows)
        return self._moved(rows)

    def _training(self, rows: Rows | None = None) -> Training:
        one_hot = self.task == "classification" and bool(self.recipe.of(BatchTechnique))
        asking = (*self.recipe.of(BatchTechnique), *self.recipe.of(AnswerTechnique))
        return Training(
            recipe=self.recipe,
            template=self.blueprint.template,
            criterion=CRITERIA[self.task],
            classes=self.outputs if one_hot else 0,
            work=plan.measure(self.blueprint.template, self.inputs),
            threads=torch.get_num_threads() if self.device.type == "cpu" else 1,
            drawing=drawing_places(self.blueprint.template, self.recipe),
            facts=None if rows is None or not asking else facts_of(rows),
            ramped=strengths_in(self.blueprint),
            fired=self.record.fired,
            pool=self.pool,
            judged=self.judged,
        )

    def _progress(self, share: float) -> Progress:
        return Progress(
            epoch=self.record.epochs + share,
            epochs=self.recipe.epochs,
            living=len(self.state),
            best_score=float(self.record.best_score.min()),
            seconds=self.record.seconds,
        )


def _digest(recipes: Sequence[Recipe]) -> str:
    """A name for the strengths and vectors of all members."""
    values = [[*map(float, recipe.strengths().values()), *recipe.vectors().values()] for recipe in recipes]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:12]


def check_soft_labels(y: Float[Tensor, "N C"], classes: int) -> None:
    """Refuse class probabilities that are none."""
    if y.dim() != 2 or y.shape[1] != classes:
        raise refusal("Soft labels", f"have one column for each of {classes} classes", tuple(y.shape))
    wrong = (y < 0).any(1) | ((y.sum(1) - 1).abs() > 1e-3) | y.isnan().any(1)
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise refusal(f"The soft labels of row {first}", "be probabilities that sum to 1", y[first].tolist())


def member_seeds(seed: int | Sequence[int], members: int) -> Int64[Tensor, " K"]:
    """One seed a member: drawn from one number, or given."""
    if isinstance(seed, int):
        return make_key(torch.tensor(seed), step=torch.arange(members), place="members")
    if len(seed) != members:
        raise refusal("Population.seed", f"be one number, or {members} of them, one a member", list(seed))
    return torch.tensor(list(seed), dtype=torch.int64)
