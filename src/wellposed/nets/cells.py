r"""Recurrent layers for a whole population: plain, GRU and LSTM, each with or without layer normalization.

PyTorch's own have no form for stacked members. Weights and gates stand in PyTorch's order: `r z n` for a GRU, `i f g o`
for an LSTM. With $a = W_x x_t + b_x$ for all steps in one product, and $u = W_h h_{t-1} + b_h$ at each step:

- plain: $h_t = \tanh(a + u)$
- GRU: $r, z = \sigma(a_{rz} + u_{rz})$, $n = \tanh(a_n + r \odot u_n)$, $h_t = (1 - z) \odot n + z \odot h_{t-1}$
- LSTM: $i, f, o = \sigma(a_{ifo} + u_{ifo})$, $g = \tanh(a_g + u_g)$, $c_t = f \odot c_{t-1} + i \odot g$,
  $h_t = o \odot \tanh(c_t)$

Layer normalization stands, over all units of a gate's product at once, at

- plain: $\mathrm{LN}(a + u)$
- GRU: $\mathrm{LN}(a_{rz})$, $\mathrm{LN}(u_{rz})$, $\mathrm{LN}(a_n)$, $\mathrm{LN}(u_n)$, and
  $h_t = (1 - z) \odot h_{t-1} + z \odot n$, as in the source
- LSTM: $\mathrm{LN}(a)$, $\mathrm{LN}(u)$, $\mathrm{LN}(c_t)$ within the last $\tanh$

and then the affine layers have no biases, because the norms' shifts take their part.

Sources: Cho et al., 2014, https://arxiv.org/abs/1406.1078; Hochreiter & Schmidhuber, Long Short-Term Memory, 1997;
Ba, Kiros & Hinton, Layer Normalization, 2016, https://arxiv.org/abs/1607.06450, section 3.1 and supplement, equations
20 to 29.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from wellposed.nets.net import place, reweight
from wellposed.nets.reweighted import opened
from wellposed.nets.stacking import Container, Forward, call_alone, stack_forward
from wellposed.nets.steps import real_steps, span
from wellposed.techniques.layers.layer_norm import LayerNorm
from wellposed.techniques.places import InnerTechnique

Cell: TypeAlias = Literal["rnn", "gru", "lstm"]
State: TypeAlias = tuple[Tensor, ...]
Step: TypeAlias = Callable[[Tensor, Tensor, State], State]
"""From the input's part, the hidden product and the last state to the next state, whose first tensor is `h`."""

GATES: dict[Cell, int] = {"rnn": 1, "gru": 3, "lstm": 4}


def step_rnn(inward: Float[Tensor, "*B H"], hidden: Float[Tensor, "*B H"], state: State) -> State:
    """One step of a plain recurrent layer."""
    return (torch.tanh(inward + hidden),)


def step_gru(inward: Float[Tensor, "*B G"], hidden: Float[Tensor, "*B G"], state: State) -> State:
    """One step of a GRU."""
    new, update = _gru_gates(inward, hidden)
    return (torch.lerp(new, state[0], update),)


def step_normalized_gru(inward: Float[Tensor, "*B G"], hidden: Float[Tensor, "*B G"], state: State) -> State:
    """One step of a GRU whose update gate opens to the new state."""
    new, update = _gru_gates(inward, hidden)
    return (torch.lerp(state[0], new, update),)


def _gru_gates(inward: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """The state proposed, and the update gate."""
    n = inward.shape[-1] // 3
    (inward_gates, inward_new), (hidden_gates, hidden_new) = (
        inward.split_with_sizes((2 * n, n), -1),
        hidden.split_with_sizes((2 * n, n), -1),
    )
    reset, update = torch.sigmoid(inward_gates + hidden_gates).chunk(2, -1)
    return torch.tanh(torch.addcmul(inward_new, reset, hidden_new)), update


def step_lstm(inward: Float[Tensor, "*B G"], hidden: Float[Tensor, "*B G"], state: State) -> State:
    """One step of an LSTM; the state is `h` and `c`."""
    memory, out = _lstm_gates(inward, hidden, state[1])
    return out * torch.tanh(memory), memory


def _lstm_gates(inward: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """The next memory, and the output gate."""
    n = inward.shape[-1] // 4
    gates, new, out = (inward + hidden).split_with_sizes((2 * n, n, n), -1)
    let_in, keep = torch.sigmoid(gates).chunk(2, -1)
    return torch.addcmul(keep * memory, let_in, torch.tanh(new)), torch.sigmoid(out)


STEPS: dict[Cell, Step] = {"rnn": step_rnn, "gru": step_gru, "lstm": step_lstm}


class RecurrentLayer(Container):
    """One direction of one recurrent layer: from steps to the states after each of them.

    Behind the end of a sequence the state stays as it is; a layer that runs backward begins there.
    """

    def __init__(
        self,
        cell: Cell,
        size: int,
        units: int,
        *,
        layer_norm: bool = False,
        backward: bool = False,
        last: bool = False,
        layers: Sequence[InnerTechnique] = (),
    ) -> None:
        """Build the layer.

        Args:
            cell: Of which kind.
            size: Features of a step.
            units: Of the state.
            layer_norm: Whether products and memory are normalized.
            backward: Whether it runs from the end to the beginning.
            last: Return the last state alone, `K B H`.
            layers: Techniques, of which parametrizations act on both weights.
        """
        super().__init__()
        self.cell, self.units, self.backward, self.last = cell, units, backward, last
        self.ih = reweight(nn.Linear(size, GATES[cell] * units, bias=not layer_norm), layers)
        self.hh = reweight(nn.Linear(units, GATES[cell] * units, bias=not layer_norm), layers)
        sizes = {
            "rnn": {"sum": units},
            "gru": {"gates_ih": 2 * units, "gates_hh": 2 * units, "new_ih": units, "new_hh": units},
            "lstm": {"ih": 4 * units, "hh": 4 * units, "memory": units},
        }[cell]
        self.norms = nn.ModuleDict({name: place(LayerNorm(), (n,)) for name, n in sizes.items() if layer_norm})

    def forward(self, x: Float[Tensor, "B T D"], lengths: Int64[Tensor, " B"]) -> Float[Tensor, "B *T H"]:
        """The states of one network."""
        return call_alone(self, x, lengths)

    def join(self, prefix: str) -> Forward:
        """The states of stacked networks, `K B T H`."""
        inward = stack_forward(self.ih, f"{prefix}ih.")
        prepare, hidden = opened(self.hh, f"{prefix}hh.")
        norms = {name: stack_forward(norm, f"{prefix}norms.{name}.") for name, norm in self.norms.items()}
        n = self.units

        def normalized(tensors: Mapping[str, Tensor], x: Tensor, side: str) -> Tensor:
            """A product before the gates see it; of a GRU in two parts."""
            if self.cell == "gru":
                gates, new = x.split_with_sizes((2 * n, n), -1)
                return torch.cat((norms[f"gates_{side}"](tensors, gates), norms[f"new_{side}"](tensors, new)), -1)
            return norms[side](tensors, x)

        def step_of(tensors: Mapping[str, Tensor]) -> Step:
            if not norms:
                return lambda a, h, state: STEPS[self.cell](a, hidden(tensors, h), state)
            if self.cell == "rnn":
                return lambda a, h, state: (torch.tanh(norms["sum"](tensors, a + hidden(tensors, h))),)
            if self.cell == "gru":
                return lambda a, h, state: step_normalized_gru(a, normalized(tensors, hidden(tensors, h), "hh"), state)

            def step(a: Tensor, h: Tensor, state: State) -> State:
                memory, out = _lstm_gates(a, normalized(tensors, hidden(tensors, h), "hh"), state[1])
                return out * torch.tanh(norms["memory"](tensors, memory)), memory

            return step

        def forward(tensors: Mapping[str, Tensor], x: Tensor, lengths: Tensor) -> Tensor:
            k, b, t, _ = x.shape
            parts = inward(tensors, x.flatten(1, 2))
            if norms and self.cell != "rnn":
                parts = normalized(tensors, parts, "ih")
            zero = parts.new_zeros(k, b, n)
            state = (zero, zero) if self.cell == "lstm" else (zero,)
            steps = parts.view(k, b, t, -1).unbind(2)
            return _run(step_of(prepare(tensors)), steps, lengths, state, backward=self.backward, last=self.last)

        return forward


def _run(
    step: Step, inward: Sequence[Tensor], lengths: Int64[Tensor, "K B"], state: State, *, backward: bool, last: bool
) -> Tensor:
    """The states after each step, or the last alone; a state stays where its sequence has ended."""
    n = len(inward)
    shortest, _ = span(lengths, n)
    real = real_steps(lengths, n).unsqueeze(-1).unbind(2)
    states = [state[0]] * n
    for t in reversed(range(n)) if backward else range(n):
        new = step(inward[t], state[0], state)
        if t >= shortest:
            new = tuple(torch.where(real[t], now, before) for now, before in zip(new, state, strict=True))
        states[t], state = new[0], new
    return state[0] if last else torch.stack(states, 2)
