"""How fast is a search, against Optuna and Ray Tune with one network at a time?

The same trials, epochs and evaluations on every side; round r is the study of seed r. See README.md for the method.
    python benchmarks/search.py [--task digits|mnist500|gpu] [--rounds 5] [--only NAME] [--trials 64] [--epochs N]
"""

import argparse
import functools
import gzip
import logging
import math
import os
import statistics
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import common
import numpy as np
import optuna
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.inputs.dataset import Part
from wellposed.inputs.encoders import fit_encoder
from wellposed.nets.mlp import MLP
from wellposed.optimizers import SGD, AdamW
from wellposed.population.population import Progress
from wellposed.recipe import Recipe
from wellposed.search_space import Dimension, Space
from wellposed.statistics import mean_interval, paired_interval
from wellposed.study.engine import Engine, Event, LocalEngine
from wellposed.study.rungs import Halving, Rungs
from wellposed.study.samplers import propose
from wellposed.study.searching import Plan, Search, facts_of
from wellposed.study.shard import Leg, Setting, Shard
from wellposed.study.store import Store
from wellposed.techniques import BatchNorm, Dropout, He, WeightDecay

CORES = os.cpu_count() or 1
SHARED = Path(os.environ.get("WELLPOSED_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
RATE, DROPOUT = "optimizer.learning_rate", "Dropout.rate"
ETA = 3
AIMS = {"digits": (8.0, 16.0), "mnist500": (2.3, 5.0), "gpu": (50.0, math.nan)}
"""Times as fast as the fastest peer: without halving, and with it."""
OVERHEAD_MS = 5.0
"""Of asking, storing and telling, for each trial: less than this is aimed at."""

Values: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """What every contestant trains.

    Attributes:
        decay: Name of the strength of weight decay.
        ranges: What varies from trial to trial.
    """

    name: str
    widths: tuple[int, ...]
    regularized: bool
    batch: int
    epochs: int
    trials: int
    decay: str
    ranges: tuple[Dimension, ...]


@dataclass(frozen=True)
class Outcome:
    """What a study took and found.

    Attributes:
        seconds: From the first question to the last answer.
        accuracy: The highest validation accuracy of a trial, each at its epoch of the lowest validation loss.
        epochs: Epochs that all trials trained together.
        overhead: Seconds outside the engine: of asking, storing and telling; NaN where they were not measured.
        untrained: Those and the seconds of building, saving and answering: all in which nothing was trained.
    """

    seconds: float
    accuracy: float
    epochs: int
    overhead: float = math.nan
    untrained: float = math.nan


Contestant: TypeAlias = Callable[[Task, int], Outcome]
"""Runs the study of a seed."""


def make_task(name: str) -> Task:
    """The networks of a task, and how far their strengths vary."""
    if name == "digits":
        decay = "optimizer.weight_decay"
        strengths = (_range(RATE, 1e-4, 1e-1), _range(DROPOUT, 0.0, 0.7, log=False), _range(decay, 1e-5, 1e-1))
        return Task(name, (64, 64), True, 64, 30, 64, decay, strengths)
    decay = "WeightDecay.amount"
    ranges = (_range(RATE, 1e-6, 1e-2), _range(decay, 1e-8, 1e-4))
    return Task(name, (100,) * 6, False, 100, 50, 1024 if name == "gpu" else 64, decay, ranges)


def _range(name: str, low: float, high: float, *, log: bool = True) -> Dimension:
    return Dimension(name=name, kind="real", low=low, high=high, log=log)


def make_space(task: Task) -> Space:
    """The same as the package knows it."""
    optimizer = AdamW() if task.regularized else SGD()
    slots = (He(), BatchNorm(), Dropout()) if task.regularized else (He(), WeightDecay())
    base = Recipe(net=MLP(widths=task.widths), optimizer=optimizer, epochs=task.epochs, batch_size=task.batch)
    return Space(base=base, slots=slots, ranges=task.ranges)


@functools.cache
def pixels(name: str) -> tuple[Part, Part]:
    """Raw rows to train on and to validate by."""
    if name == "digits":
        from sklearn.datasets import load_digits

        bunch = load_digits()
        order = np.random.default_rng(0).permutation(len(bunch.target))
        rows = Part((bunch.images[order] / 16).astype(np.float32), bunch.target[order])
        return rows.take(np.arange(1437)), rows.take(np.arange(1437, 1797))
    folder = SHARED / "mnist"
    with (
        gzip.open(folder / "train-images-idx3-ubyte.gz") as image_file,
        gzip.open(folder / "train-labels-idx1-ubyte.gz") as label_file,
    ):
        images, labels = image_file.read(16 + 784 * 500), label_file.read(8 + 500)
    square = np.frombuffer(images, np.uint8, offset=16).reshape(500, 28, 28)
    rows = Part(square, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))
    return rows.take(np.arange(400)), rows.take(np.arange(400, 500))


def encoded(name: str) -> tuple[Rows, Rows]:
    """The same rows, flat, in the numbers that the package's networks see."""
    train, held = pixels(name)
    encoder = fit_encoder(train.features)
    first, second = (
        (encoder.encode(part.features)[0].flatten(1), torch.as_tensor(part.target)) for part in (train, held)
    )
    return first, second


def draws(task: Task, seed: int) -> Sequence[Values]:
    """The trials of a seed, the same for everybody: what the package's random sampler asks for."""
    return propose(task.ranges, [], n=task.trials, sampler="random", seed=seed)


class Network(nn.Sequential):
    """The network as anybody would write it."""

    def __init__(self, inputs: int, widths: Sequence[int], rate: float | None) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers.append(nn.Linear(inputs, width))
            if rate is not None:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.ReLU())
            if rate is not None:
                layers.append(nn.Dropout(rate))
            inputs = width
        layers.append(nn.Linear(inputs, 10))
        super().__init__(*layers)
        for layer in self:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)


def train_one(task: Task, values: Values, seed: int, train: Rows, held: Rows) -> float:
    """A trial in a plain PyTorch loop: its accuracy at the epoch of the lowest validation loss."""
    torch.manual_seed(seed)
    (x, y), (held_x, held_y), device = train, held, train[0].device
    model = Network(x.shape[1], task.widths, values.get(DROPOUT)).to(device)
    kind = torch.optim.AdamW if task.regularized else torch.optim.SGD
    optimizer = kind(model.parameters(), lr=values[RATE], weight_decay=values[task.decay])
    lowest, accuracy = math.inf, 0.0
    for _ in range(task.epochs):
        model.train()
        for batch in torch.randperm(len(y), device=device).split(task.batch):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(held_x)
            loss = F.cross_entropy(logits, held_y).item()
            right = (logits.argmax(1) == held_y).float().mean().item()
        if loss < lowest:
            lowest, accuracy = loss, right
    return accuracy


def train_with_skorch(task: Task, values: Values, seed: int, train: Rows, held: Rows) -> float:
    """The same trial by skorch, which scores every epoch by itself."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    torch.manual_seed(seed)
    (x, y), kind = train, torch.optim.AdamW if task.regularized else torch.optim.SGD
    net = NeuralNetClassifier(
        Network, module__inputs=x.shape[1], module__widths=task.widths, module__rate=values.get(DROPOUT),
        criterion=nn.CrossEntropyLoss, optimizer=kind, lr=values[RATE], optimizer__weight_decay=values[task.decay],
        max_epochs=task.epochs, batch_size=task.batch, iterator_train__shuffle=True, iterator_valid__batch_size=-1,
        train_split=predefined_split(Dataset(*held)), verbose=0,
    )  # fmt: skip
    net.fit(x, y)
    looks = net.history[:, ("valid_loss", "valid_acc")]
    return float(min(looks, key=lambda look: look[0])[1])


def with_optuna(task: Task, seed: int, *, skorch: bool, threads: int, jobs: int = 1) -> Outcome:
    """(1), (2) Optuna: random search in memory, a network at a time."""
    train, held = encoded(task.name)
    one, before = train_with_skorch if skorch else train_one, torch.get_num_threads()
    torch.set_num_threads(threads)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed))
    for values in draws(task, seed):
        study.enqueue_trial(values)

    def objective(trial: optuna.Trial) -> float:
        values = {d.name: trial.suggest_float(d.name, d.low, d.high, log=d.log) for d in task.ranges}
        return one(task, values, seed * 10_000 + trial.number, train, held)

    start = time.perf_counter()
    study.optimize(objective, n_trials=task.trials, n_jobs=jobs)
    seconds = time.perf_counter() - start
    torch.set_num_threads(before)
    return Outcome(seconds, study.best_value, task.epochs * task.trials)


def with_ray(task: Task, seed: int) -> Outcome:
    """(3) Ray Tune: a process a core, each with one thread, kept from trial to trial.

    Counted from the beginning of the first trial, when each process has trained one that does not count, to the end of
    the last: neither the start-up of cluster and processes, nor what Tune does before and after.
    """
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "100000",
        "RAY_AIR_NEW_OUTPUT": "0",
    }
    import ray
    from ray import tune

    def trainable(config: dict[str, Any], parts: tuple[Rows, Rows], met: str) -> None:
        torch.set_num_threads(1)
        trial, began = config["trial"], time.time()
        if trial["number"] < 0:  # lets a process import and warm up, and waits for the others
            train_one(replace(task, epochs=1), trial["values"], 0, *parts)
            Path(met, str(-trial["number"])).touch()
            while len(os.listdir(met)) < CORES and time.time() < began + 60:
                time.sleep(0.01)
            return tune.report({"accuracy": 0.0, "began": began, "ended": began})
        accuracy = train_one(task, trial["values"], seed * 10_000 + trial["number"], *parts)
        tune.report({"accuracy": accuracy, "began": began, "ended": time.time()})

    ray.init(
        num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
        object_store_memory=256 << 20, _node_ip_address="127.0.0.1",
    )  # fmt: skip
    values = draws(task, seed)
    numbered = [(-k, values[0]) for k in range(1, CORES + 1)] + list(enumerate(values))
    trials = [{"number": number, "values": each} for number, each in numbered]
    try:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as met:
            given = tune.with_parameters(trainable, parts=encoded(task.name), met=met)
            tuner = tune.Tuner(
                tune.with_resources(given, {"cpu": 1}),
                param_space={"trial": tune.grid_search(trials)},
                tune_config=tune.TuneConfig(max_concurrent_trials=CORES, reuse_actors=True),
                run_config=tune.RunConfig(storage_path=folder, verbose=0),
            )
            results = tuner.fit()
    finally:
        ray.shutdown()
    if results.errors:
        raise results.errors[0]
    found = [result.metrics or {} for result in results if result.config["trial"]["number"] >= 0]
    seconds = max(f["ended"] for f in found) - min(f["began"] for f in found)
    return Outcome(seconds, max(f["accuracy"] for f in found), task.epochs * task.trials)


def one_at_a_time(task: Task, seed: int, *, trained: int = 8) -> Outcome:
    """A plain loop on the GPU over the first trials; its seconds are extrapolated to all of them."""
    train, held = (tuple(tensor.cuda() for tensor in rows) for rows in encoded(task.name))
    trials = draws(task, seed)[:trained]
    torch.cuda.synchronize()
    start = time.perf_counter()
    found = [train_one(task, values, seed * 10_000 + k, train, held) for k, values in enumerate(trials)]
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - start) * task.trials / len(trials)
    return Outcome(seconds, max(found), task.epochs * task.trials)


class Timed(Engine):
    """An engine, the seconds that pass within it, and those of them in which its one population trains."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seconds, self.trained = engine, 0.0, 0.0

    def advance(self, legs: deque[tuple[Shard, Leg]]) -> Iterator[Event]:
        events = self.engine.advance(legs)
        while True:
            start = time.perf_counter()
            event = next(events, None)
            self.seconds += time.perf_counter() - start
            if event is None:
                return
            self.trained = event.seconds if isinstance(event, Progress) else self.trained
            yield event

    def release(self, shard: Shard) -> None:
        self.engine.release(shard)

    def close(self) -> None:
        self.engine.close()


def ours(task: Task, halving: Halving, seed: int, device: str = "cpu") -> Outcome:
    """(4) The package: all trials train together; with halving, losers leave at rungs. All is stored, as ever."""
    train, held = pixels(task.name)
    start = time.perf_counter()
    setting = Setting(task="classification", train=train, validation=held, device=device)
    plan = Plan(
        trials=task.trials, sampler="random", seed=seed, generation=task.trials,
        rungs=Rungs(halving=halving, eta=ETA), most=task.trials,
    )  # fmt: skip
    source = make_space(task)
    with tempfile.TemporaryDirectory() as folder:
        engine = Timed(LocalEngine(setting, Path(folder, "training")))
        with Store.create(Path(folder, "study.db"), facts_of(setting, source, plan, "")) as store:
            search = Search(setting, source, plan=plan, engine=engine, store=store)
            for _ in search.run():
                pass
            study = search.study()
        engine.close()
        seconds = time.perf_counter() - start
    if [dict(trial.values) for trial in study.trials] != draws(task, seed):
        raise RuntimeError("The trials must be those of the others.")
    accuracy = max(trial.metric for trial in study.trials if trial.state == "complete")
    epochs = sum(trial.epochs for trial in study.trials)
    return Outcome(seconds, accuracy, epochs, seconds - engine.seconds, seconds - engine.trained)


def contestants(task: Task, *, every: bool = False) -> dict[str, Contestant]:
    """Everybody who takes part in a task, peers first; `every` adds peers with all threads in each operation."""
    if task.name == "gpu":
        return {
            "plain loop on the GPU (extrapolated)": one_at_a_time,
            "wellposed on the GPU": lambda task, seed: ours(task, "none", seed, "cuda"),
        }
    found: dict[str, Contestant] = {}
    numbers = sorted({1, CORES}) if every else [1]
    for threads in numbers:
        found[f"Optuna, plain loop, {_count(threads, 'thread')}"] = functools.partial(
            with_optuna, skorch=False, threads=threads
        )
    if CORES > 1:
        found[f"Optuna, plain loop, {CORES} jobs"] = functools.partial(with_optuna, skorch=False, threads=1, jobs=CORES)
    for threads in numbers:
        found[f"Optuna, skorch, {_count(threads, 'thread')}"] = functools.partial(
            with_optuna, skorch=True, threads=threads
        )
    found[f"Ray Tune, {_count(CORES, 'process', 'processes')}"] = with_ray
    found["wellposed"] = lambda task, seed: ours(task, "none", seed)
    found["wellposed, halving"] = lambda task, seed: ours(task, "successive", seed)
    return found


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def measure(task: Task, running: dict[str, Contestant], rounds: int, peers: int) -> dict[str, list[Outcome]]:
    """Everybody in turn, round after round (peers in the first ones), after a small study each that is not counted."""
    for run in running.values():
        run(replace(task, trials=2, epochs=2), 0)
    found: dict[str, list[Outcome]] = {who: [] for who in running}
    for seed in range(rounds):
        for who, run in running.items():
            if seed < peers or who.startswith("wellposed"):
                found[who].append(run(task, seed))
    return found


def judge(task: Task, found: dict[str, list[Outcome]]) -> dict[str, Any]:
    """Print the table of a task, and what was aimed at; all figures."""
    medians = {who: statistics.median(o.seconds for o in outcomes) for who, outcomes in found.items()}
    accuracies = {who: [o.accuracy for o in outcomes] for who, outcomes in found.items()}
    fastest = min((who for who in found if not who.startswith("wellposed")), key=medians.__getitem__, default=None)
    print(f"\n{task.name}: {task.trials} trials of {task.epochs} epochs; ratios to the fastest peer")
    heads = ("s a study", "min", "max", "ratio", "epochs", "accuracy", "ask+store+tell", "untrained")
    widths = (10, 8, 8, 8, 8, 10, 16, 11)
    print(" " * 38 + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    table = {}
    for who, outcomes in found.items():
        seconds = [o.seconds for o in outcomes]
        ratio = medians[fastest] / medians[who] if fastest else math.nan
        overhead, untrained = (
            statistics.median(each) / task.trials * 1e3
            for each in ([o.overhead for o in outcomes], [o.untrained for o in outcomes])
        )
        epochs, accuracy = statistics.mean(o.epochs for o in outcomes), statistics.mean(accuracies[who])
        print(
            f"{who:38}{medians[who]:10.2f}{min(seconds):8.2f}{max(seconds):8.2f}{ratio:8.2f}{epochs:8.0f}"
            f"{accuracy:10.4f}{overhead:13.2f} ms{untrained:8.2f} ms"
        )
        table[who] = {
            "seconds": medians[who], "all": seconds, "ratio": ratio, "epochs": epochs,
            "accuracy": asdict(mean_interval(accuracies[who])), "accuracies": accuracies[who], "overhead_ms": overhead,
            "untrained_ms": untrained,
        }  # fmt: skip
    differences = {}
    for one, other in _pairs(fastest, found):
        n = min(len(accuracies[one]), len(accuracies[other]))
        interval = paired_interval(accuracies[one][:n], accuracies[other][:n])
        differences[f"{one} - {other}"] = asdict(interval)
        print(
            f"best accuracy of {one} less that of {other}: {interval.estimate:+.4f} "
            f"({interval.low:+.4f} to {interval.high:+.4f}, {n} seeds)"
        )
    for who, aim in zip(_ours(found), AIMS[task.name], strict=False):
        print(f"{who}: {table[who]['ratio']:.1f} times, aimed at {aim:g};", end=" ")
        print(f"{table[who]['overhead_ms']:.2f} ms a trial to ask, store and tell, aimed at less than {OVERHEAD_MS:g}")
    aims = {"ratios": AIMS[task.name], "overhead_ms": OVERHEAD_MS}
    return {
        "trials": task.trials, "epochs": task.epochs, "fastest_peer": fastest, "aims": aims,
        "table": table, "accuracy_differences": differences,
    }  # fmt: skip


def _ours(found: dict[str, list[Outcome]]) -> list[str]:
    return [who for who in found if who.startswith("wellposed")]


def _pairs(fastest: str | None, found: dict[str, list[Outcome]]) -> list[tuple[str, str]]:
    """Whose accuracies are compared: ours with the fastest peer's, and halving with none."""
    mine = _ours(found)
    return [(who, fastest) for who in mine if fastest] + list(zip(mine[1:], mine, strict=False))


def plain(value: Any) -> Any:
    """The same as JSON knows it: no infinities and nothing undefined."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=("digits", "mnist500", "gpu"), action="append")
    parser.add_argument("--rounds", type=int, default=5, help="studies of each contestant, of the seeds 0, 1, ...")
    parser.add_argument("--peers", type=int, default=3, help="rounds of the peers, which take their time")
    parser.add_argument("--every", action="store_true", help="peers with all threads in each operation, too")
    parser.add_argument("--only", action="append", help="contestants whose names begin so; nothing is stored")
    parser.add_argument("--trials", type=int, help="another number, to see that it runs; nothing is stored")
    parser.add_argument("--epochs", type=int, help="likewise")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(CORES)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    figures = {}
    for name in options.task or ["digits", "mnist500", *(["gpu"] if torch.cuda.is_available() else [])]:
        task = make_task(name)
        task = replace(task, trials=options.trials or task.trials, epochs=options.epochs or task.epochs)
        running = contestants(task, every=options.every)
        if options.only:
            running = {who: run for who, run in running.items() if who.startswith(tuple(options.only))}
        figures[name] = judge(task, measure(task, running, options.rounds, options.peers))
    if not (options.only or options.trials or options.epochs):
        print("\nstored in", common.save("search", {"tasks": plain(figures)}))


if __name__ == "__main__":
    main()
