"""How fast does a population train, against one network at a time?

Same network, data, number of steps and evaluations on every side; see README.md for the method.
    python benchmarks/population.py [--task digits|plain|book|cnn] [--rounds 5] [--memory]
"""

import argparse
import gzip
import logging
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wellposed.inputs.dataset import Rows
from wellposed.nets.cnn import CNN
from wellposed.nets.mlp import MLP
from wellposed.nets.net import Inputs, Net
from wellposed.optimizers import SGD, Adam, AdamW, Optimizer
from wellposed.population import plan
from wellposed.population.population import Population
from wellposed.recipe import Recipe
from wellposed.techniques import BatchNorm, Dropout, He

MEMBERS = (1, 8, 32, 128)
DATA = Path(os.environ.get("WELLPOSED_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Task:
    """What every contestant trains."""

    name: str
    net: Net
    module: Callable[[], nn.Module]
    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    batch: int
    epochs: int
    ours: Optimizer
    theirs: Callable[[Any], torch.optim.Optimizer]
    regularized: bool
    members: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Updates of one training."""
        return self.epochs * -(-len(self.train[1]) // self.batch)


def mlp(widths: tuple[int, ...], inputs: int, regularized: bool) -> nn.Sequential:
    """The network as anybody would write it."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), *([nn.BatchNorm1d(width)] if regularized else []), nn.ReLU()]
        layers += [nn.Dropout(0.2)] if regularized else []
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 10))


def cnn() -> nn.Sequential:
    """The package's CNN as anybody would write it."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10),
    )  # fmt: skip


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = torch.tensor(x[order] / 16, dtype=torch.float32), torch.tensor(y[order])
    return (x[:1437], y[:1437]), (x[1437:], y[1437:])


def mnist(n: int, held: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    def read(part: str, rows: int) -> tuple[Tensor, Tensor]:
        with (
            gzip.open(DATA / "mnist" / f"{part}-images-idx3-ubyte.gz") as image_file,
            gzip.open(DATA / "mnist" / f"{part}-labels-idx1-ubyte.gz") as label_file,
        ):
            images, labels = image_file.read(16 + 784 * rows), label_file.read(8 + rows)
        x = np.frombuffer(images, np.uint8, offset=16).reshape(rows, 784) / np.float32(255)
        return torch.tensor(x, dtype=torch.float32), torch.tensor(np.frombuffer(labels, np.uint8, offset=8).astype(int))

    return read("train", n), read("t10k", held)


def make_task(name: str) -> Task:
    """The network, the data and the optimizer of a task."""
    if name in ("digits", "plain"):
        regularized, (train, held) = name == "digits", digits()
        adamw = (AdamW(), lambda p: torch.optim.AdamW(p, lr=1e-3))
        adam = (Adam(), lambda p: torch.optim.Adam(p, lr=1e-3))
        ours, theirs = adamw if regularized else adam
        net, module = MLP(widths=(64, 64)), lambda: mlp((64, 64), 64, regularized)
        return Task(name, net, module, train, held, 64, 30, ours, theirs, regularized, MEMBERS)
    if name == "book":
        train, held = mnist(300, 100)
        net, module = MLP(widths=(100,) * 6), lambda: mlp((100,) * 6, 784, False)
        ours, theirs = SGD(learning_rate=0.01), lambda p: torch.optim.SGD(p, lr=0.01)
        return Task(name, net, module, train, held, 100, 40, ours, theirs, False, MEMBERS)
    train, held = ((x.view(-1, 1, 28, 28), y) for x, y in mnist(2048, 500))
    ours, theirs = AdamW(), lambda p: torch.optim.AdamW(p, lr=1e-3)
    return Task("cnn", CNN(), cnn, train, held, 64, 1, ours, theirs, True, (1, 8, 32))


def plain_loop(task: Task, threads: int) -> float:
    """(1) One network in a plain PyTorch loop."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    model, (x, y), (held_x, held_y) = task.module(), task.train, task.validation
    optimizer = task.theirs(model.parameters())
    start = time.perf_counter()
    for _ in range(task.epochs):
        model.train()
        order = torch.randperm(len(y))
        for batch in order.split(task.batch):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            F.cross_entropy(model(held_x), held_y).item()
    seconds = time.perf_counter() - start
    torch.set_num_threads(before)
    return seconds / task.steps


def with_skorch(task: Task) -> float:
    """(2) skorch."""
    from skorch import NeuralNetClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    (x, y), held = task.train, task.validation
    net = NeuralNetClassifier(
        task.module, criterion=nn.CrossEntropyLoss, optimizer=lambda p, **_: task.theirs(p), max_epochs=task.epochs,
        batch_size=task.batch, iterator_train__shuffle=True, train_split=predefined_split(Dataset(*held)), verbose=0,
    )  # fmt: skip
    net.initialize()
    start = time.perf_counter()
    net.partial_fit(x, y)
    return (time.perf_counter() - start) / task.steps


def with_lightning(task: Task) -> float:
    """(3) Lightning."""
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = task.module()

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
            F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return task.theirs(self.parameters())

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = lightning.Trainer(
        max_epochs=task.epochs, accelerator="cpu", enable_checkpointing=False, num_sanity_val_steps=0, **quiet
    )
    train = DataLoader(TensorDataset(*task.train), batch_size=task.batch, shuffle=True)
    held = DataLoader(TensorDataset(*task.validation), batch_size=len(task.validation[1]))
    start = time.perf_counter()
    trainer.fit(Module(), train, held)
    return (time.perf_counter() - start) / task.steps


def with_sklearn(task: Task) -> float:
    """(4) scikit-learn's MLP."""
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    widths = task.net.widths if isinstance(task.net, MLP) else ()
    model = MLPClassifier(widths, batch_size=task.batch, learning_rate_init=1e-3, alpha=0.0)
    (x, y), (held_x, held_y) = ((x.numpy(), y.numpy()) for x, y in (task.train, task.validation))
    start = time.perf_counter()
    for _ in range(task.epochs):
        model.partial_fit(x, y, classes=np.arange(10))
        log_loss(held_y, model.predict_proba(held_x), labels=np.arange(10))
    return (time.perf_counter() - start) / task.steps


def rows(part: tuple[Tensor, Tensor]) -> Rows:
    """A part as the engine sees it."""
    return Rows(part[0], torch.zeros(len(part[1]), 0, dtype=torch.int64), part[1])


def population(task: Task, members: int, device: str = "cpu") -> float:
    """A population of so many members; seconds a member-step."""
    layers = (BatchNorm(), Dropout(rate=0.2)) if task.regularized else ()
    recipe = Recipe(
        net=task.net, optimizer=task.ours, epochs=task.epochs, batch_size=task.batch, techniques=(He(), *layers)
    )
    shape = tuple(task.train[0].shape[1:])
    trained = Population(recipe, inputs=Inputs(shape), outputs=10, members=members, device=device)
    train, held = rows(task.train), rows(task.validation)
    start = time.perf_counter()
    for _ in trained.train(train, held):
        pass
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / task.steps / members


def contestants(task: Task) -> dict[str, Callable[[], float]]:
    """Everybody who takes part in a task."""
    cores = os.cpu_count() or 1
    found: dict[str, Callable[[], float]] = {
        "plain loop, 1 thread": lambda: plain_loop(task, 1),
        f"plain loop, {cores} threads": lambda: plain_loop(task, cores),
    }
    if task.name == "digits":
        found |= {"skorch": lambda: with_skorch(task), "Lightning": lambda: with_lightning(task)}
    if task.name == "plain":
        found |= {"scikit-learn": lambda: with_sklearn(task)}
    for members in task.members:
        found[f"population, K = {members}"] = lambda members=members: population(task, members)
        if torch.cuda.is_available():
            found[f"population on the GPU, K = {members}"] = lambda members=members: population(task, members, "cuda")
    return found


def run(name: str, rounds: int, memory: bool) -> dict[str, Any]:
    """Measure one task and print its table."""
    task = make_task(name)
    found = common.interleave(contestants(task), rounds)
    seconds = {who: common.median(values) for who, values in found.items()}
    loop = min(value for who, value in seconds.items() if who.startswith("plain loop"))
    work = plan.measure(task.module(), Inputs(tuple(task.train[0].shape[1:])))
    flops, rate = 3 * work.flops * task.batch, common.matrix_rate(os.cpu_count() or 1)
    print(f"\n{name}: {task.steps} steps of {task.batch} rows, {flops / 1e6:.1f} MFLOP each; ratios to the faster loop")
    print(f"{'':34}{'ms a member-step':>18}{'min':>9}{'max':>9}{'ratio':>8}{'of matmul':>11}{'MiB':>8}")
    table = {}
    for who, value in seconds.items():
        share = flops / value / rate if "GPU" not in who else float("nan")
        peak = common.peak_memory(["--task", name, "--only", who]) if memory else float("nan")
        low, high = min(found[who]), max(found[who])
        print(
            f"{who:34}{value * 1e3:18.4f}{low * 1e3:9.4f}{high * 1e3:9.4f}{loop / value:8.2f}{share:11.1%}{peak:8.0f}"
        )
        table[who] = {"seconds": value, "all": found[who], "ratio": loop / value, "share_of_matmul": share, "mib": peak}
    return {"steps": task.steps, "batch": task.batch, "flops": flops, "matmul_flops_per_second": rate, "table": table}


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=("digits", "plain", "book", "cnn"), action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure peak memory, each contestant in its own process")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    tasks = options.task or ["digits", "plain", "book", "cnn"]
    if options.only:
        contestants(make_task(tasks[0]))[options.only]()
        print(common.own_peak_memory())
        return
    figures = {name: run(name, options.rounds, options.memory) for name in tasks}
    print("\nstored in", common.save("population", {"tasks": figures}))


if __name__ == "__main__":
    main()
