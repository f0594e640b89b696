"""Between epochs: evaluate, keep what was best, and let those members leave that have stopped or failed."""

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from wellposed.inputs.dataset import Rows
from wellposed.nets.stacking import Forward
from wellposed.population import evaluate, plan
from wellposed.population.crew import Crew, is_norm_with_statistics
from wellposed.population.record import Failure, Record
from wellposed.population.state import State
from wellposed.population.step import network_inputs
from wellposed.population.train import Training, epoch_of
from wellposed.population.watch import name_failure
from wellposed.techniques.places import AverageTechnique, Curves, EndTechnique, SnapshotTechnique
from wellposed.techniques.stacked import StackedModule

ROWS_OF_GRADIENTS = 32
"""Training rows whose single gradients are looked at, for rules of the end that ask for them."""
WORTH_A_COPY = 4096
"""Numbers of a tensor of one member from which members are copied one by one: indexing moves a tenth of the bytes."""


def score(
    crew: Crew,
    training: Training,
    state: State,
    record: Record,
    rows: Rows,
    validation: Rows | None,
    *,
    leaving: bool = False,
) -> Tensor | None:
    """Evaluate the living members and keep the weights of those that were never better; their validation losses.

    Without validation rows the weights of all that have not failed are kept. Snapshots are kept whatever they score;
    members that leave before their first one (`leaving`) keep the weights that they have.
    """
    judged = training.judged_by(state)
    n_judged = 0 if validation is None else len(validation) if judged is None else judged.shape[1]
    ranges = training.ranges(len(state), batch=256 if validation is None else min(n_judged, 256))
    at_once = plan.evaluated_rows(training.work, members=max(r.stop - r.start for r in ranges))
    if validation is None:
        _record_spoilt(state, record)
    failed = failed_among(state, record)
    offset = _offset(training, record, state, leaving=leaving)
    snapshots = bool(training.recipe.of(SnapshotTechnique))
    threads = training.threads_each(len(state), 256, len(ranges))
    answering = [members.answering() for members in (state.take(r) for r in ranges)]
    if measures_statistics(training):
        pool = training.pool_of(state)
        steps = training.steps(len(rows) if pool is None else pool.shape[1])

        def measure(forward: Forward, i: int) -> dict[str, Tensor]:
            own = None if pool is None else pool[ranges[i]]
            found = measure_statistics(forward, training.template, answering[i], rows, steps=steps, positions=own)
            return answering[i] | found

        answering = crew.run(measure, shares=len(ranges), threads=threads, mode="measure")

    def look(forward: Forward, i: int) -> Float[Tensor, " K"] | None:
        ids = state.ids[ranges[i]]
        if validation is None:
            _keep(record, ids, answering[i], ~failed[ranges[i]], offset)
            return None
        own = None if judged is None else judged[ranges[i]]
        found = evaluate.losses(
            forward, answering[i], validation, training.criterion, k=len(ids), at_once=at_once, positions=own
        )
        better = found < record.best_score[ids]
        record.best_score[ids[better]] = found[better]
        _keep(record, ids, answering[i], torch.isfinite(found) if snapshots else better, offset)
        return found

    looked = crew.run(look, shares=len(ranges), threads=threads, mode="answer")
    found = [losses for losses in looked if losses is not None]
    return torch.cat(found) if found else None


def measures_statistics(training: Training) -> bool:
    """Whether the norms' statistics are measured on all training rows before the networks answer."""
    averages = any(average.refreshes for average in training.recipe.of(AverageTechnique))
    layers = any(m.refreshes for m in training.template.modules() if isinstance(m, StackedModule))
    return averages or layers


def measure_statistics(
    forward: Forward,
    template: nn.Module,
    tensors: Mapping[str, Tensor],
    rows: Rows,
    *,
    steps: int,
    positions: Int64[Tensor, "K M"] | None = None,
) -> dict[str, Tensor]:
    """The buffers of norms with running statistics, measured on all rows: their mean over `steps` batches.

    Args:
        forward: The network in the mode "measure".
        template: One network of the structure, in which the norms are found.
        tensors: Parameters and buffers, `K ...`.
        rows: The training rows.
        steps: How many batches they are split into, in their order.
        positions: Of each member's own rows among them, in place of all.
    """
    norms = {path: module for path, module in template.named_modules() if is_norm_with_statistics(module)}
    names = [f"{path}.{name}".lstrip(".") for path, module in norms.items() for name, _ in module.named_buffers()]
    n = len(rows) if positions is None else positions.shape[1]
    k, at_once = len(next(iter(tensors.values()))), -(-n // steps)
    whole = torch.ones(k, dtype=rows.x.dtype, device=rows.x.device)  # each batch replaces the statistics
    paces = {f"{path}.momentum".lstrip("."): whole for path in norms}
    total = {name: torch.zeros_like(tensors[name]) for name in names if tensors[name].is_floating_point()}
    with torch.no_grad():
        for batch in evaluate.batches(rows, k, at_once, positions):
            now = {name: tensors[name].clone() for name in names}
            forward({**tensors, **now, **paces}, *network_inputs(batch))
            for name, sums in total.items():
                sums += now[name] * (batch.x.shape[1] / n)
    return total


def _offset(training: Training, record: Record, state: State, *, leaving: bool) -> int:
    """Where among the kept weights the living members' present ones go: 0 for their best, -1 for nowhere."""
    for snapshots in training.recipe.of(SnapshotTechnique):
        if leaving:
            return -1 if record.best_epoch[state.ids].any() else 0
        slot = snapshots.slot(max(1, record.epochs), training.recipe.epochs)
        return -1 if slot is None else slot * len(record.ended)
    return 0


def _record_spoilt(state: State, record: Record) -> None:
    """Name the members that the last step has spoilt, which no loss has seen yet."""
    finite = {name: torch.isfinite(p).flatten(1).all(1) for name, p in state.parameters.items()}
    for k in (~torch.stack(list(finite.values())).all(0)).nonzero().flatten().tolist():
        where = next(name for name, sound in finite.items() if not sound[k])
        record.failures.setdefault(int(state.ids[k]), Failure(state.step, where))


def failed_among(state: State, record: Record) -> Bool[Tensor, " K"]:
    """Which of the living members have failed since the last look."""
    return torch.tensor([int(i) in record.failures for i in state.ids], device=state.ids.device)


def _keep(
    record: Record, ids: Int64[Tensor, " K"], tensors: Mapping[str, Tensor], chosen: Bool[Tensor, " K"], offset: int
) -> None:
    """Keep these members' weights. (Workers do this side by side, each for its own members.)"""
    if offset < 0:
        return
    kept, rows = ids[chosen] + offset, chosen.nonzero().flatten()
    record.best_epoch[kept] = max(1, record.epochs)  # 1, too, when training was left within its first epoch
    pairs = list(zip(kept.tolist(), rows.tolist(), strict=True))
    for name, best in record.best.items():
        if best[0].numel() < WORTH_A_COPY:
            best[kept] = tensors[name][rows]
        else:
            for place, row in pairs:
                best[place] = tensors[name][row]


def close_epoch(
    crew: Crew, training: Training, state: State, record: Record, rows: Rows, validation: Rows | None
) -> State:
    """Evaluate, record, and let those members leave that have stopped or failed."""
    steps = epoch_of(training, state, rows).steps
    record.add(record.train_loss, state.ids, state.loss_sum / steps)
    found = score(crew, training, state, record, rows, validation)
    if found is not None and validation is not None:
        record.add(record.validation_loss, state.ids, found)
        for k in (~torch.isfinite(found)).nonzero().flatten().tolist():
            if int(state.ids[k]) not in record.failures:
                member = state.take(torch.tensor([k], device=state.ids.device))
                network = copy.deepcopy(training.template).eval()
                batch = next(evaluate.batches(validation, 1, 256, training.judged_by(member)))
                record.failures[int(state.ids[k])] = name_failure(network, member, batch)
    gone = failed_among(state, record)
    if rules := state.bound(training.recipe).of(EndTechnique):
        curves = curves_of(crew, training, state, record, rows)
        for rule in rules:
            gone |= rule.ended(curves)
    if record.epochs == training.recipe.epochs:
        gone[:] = True
    if training.recipe.of(SnapshotTechnique):
        none_yet = gone & ~failed_among(state, record) & (record.best_epoch[state.ids] == 0)
        if none_yet.any():
            score(crew, training, state.take(none_yet.nonzero().flatten()), record, rows, validation, leaving=True)
    record.ended[state.ids[gone]] = record.epochs
    state = replace(state, loss_sum=torch.zeros_like(state.loss_sum))
    return state.take((~gone).nonzero().flatten()) if gone.any() else state


def curves_of(crew: Crew, training: Training, state: State, record: Record, rows: Rows) -> Curves:
    """What the living members have shown so far."""

    def gradients() -> Float[Tensor, "K B P"]:
        pool, positions, first = training.pool_of(state), None, rows
        if pool is None:
            first = rows.take(torch.arange(min(len(rows), ROWS_OF_GRADIENTS), device=rows.x.device))
        else:
            positions = pool[:, :ROWS_OF_GRADIENTS]

        def look(forward: Forward, _: int) -> Float[Tensor, "K B P"]:
            return evaluate.row_gradients(
                forward, state.parameters, state.buffers, first, training.criterion, positions
            )

        return crew.run(look, shares=1, threads=1, mode="answer")[0]

    none = state.loss_sum.new_empty(len(state), 0)
    validation = torch.stack(record.validation_loss)[:, state.ids].T if record.validation_loss else none
    return Curves(validation, torch.stack(record.train_loss)[:, state.ids].T, record.seconds, gradients)
