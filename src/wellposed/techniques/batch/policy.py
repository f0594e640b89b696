r"""Policy: each row goes through one of a list of sub-policies, whatever the data; members may have their own lists.

A sub-policy is two operations $(o, p, m)$: in turn, each is done with its probability $p$ at level $m$ from 0 to 1 of
its range. For images the operations and ranges are those of `spaces`, as AutoAugment searched them; for other data the
level is the way from the strength that changes nothing to the strongest that is worth searching:

| data | operation | strength at level 0 to 1 |
|---|---|---|
| all | Identity | |
| tables | InputNoise | deviation 0 to 1 |
| tables | SwapNoise, FeatureMasking | rate 0 to 0.5 |
| sequences | Jitter, Scaling | deviation 0 to 0.5 |
| sequences | TimeWarp | deviation 0 to 1 |
| sequences | WindowCrop | share 1 to 0.5 |
| sequences | SegmentPermutation | rate 0 to 1 |
| tables, sequences | Mixup, CutMix | alpha 0 to 2, targets mixed likewise |
| texts | RandomSwap, RandomDeletion | amount 0 to 0.5 |
| texts with synonyms | SynonymReplacement, RandomInsertion | amount 0 to 0.5 |

Good as what a search for augmentation proposes, since many proposals train as one population; bad where one
augmentation is known to fit: then write that one.

Source: Cubuk et al., AutoAugment: learning augmentation strategies from data, 2019, https://arxiv.org/abs/1805.09501,
section 3; for sequences and texts the sources of the operations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wellposed import random
from wellposed.checks import refusal
from wellposed.random import Key, make_key
from wellposed.techniques.batch.cutmix import CutMix, paste_pieces
from wellposed.techniques.batch.feature_masking import FeatureMasking
from wellposed.techniques.batch.images import chosen, uniform_each, wide
from wellposed.techniques.batch.input_noise import InputNoise
from wellposed.techniques.batch.jitter import Jitter
from wellposed.techniques.batch.kinds import Kind, kind_of
from wellposed.techniques.batch.mixup import Mixup, draw_shares, mix_batch
from wellposed.techniques.batch.positions import take_rows
from wellposed.techniques.batch.random_deletion import RandomDeletion
from wellposed.techniques.batch.random_insertion import RandomInsertion
from wellposed.techniques.batch.random_swap import RandomSwap
from wellposed.techniques.batch.scaling import Scaling
from wellposed.techniques.batch.segment_permutation import SegmentPermutation
from wellposed.techniques.batch.spaces import LEARNED, augment
from wellposed.techniques.batch.swap_noise import SwapNoise, swap_cells
from wellposed.techniques.batch.synonym_replacement import SynonymReplacement
from wellposed.techniques.batch.synonyms import check_source
from wellposed.techniques.batch.time_warp import TimeWarp
from wellposed.techniques.batch.window_crop import WindowCrop
from wellposed.techniques.places import Batch, BatchTechnique
from wellposed.techniques.technique import Strength, Technique, strength, vector

Written: TypeAlias = tuple[tuple[tuple[str | float, ...], ...], ...]
"""A policy as a recipe holds it: sub-policies of two operations (name, probability, level)."""

Numbers: TypeAlias = tuple[tuple[tuple[float, float, float], ...], ...]
"""The same with each operation's position among `NAMES` in the place of its name."""

IDLE = ("Identity", 0.0, 0.0)


class Effect(NamedTuple):
    """What an operation on rows without pixels does.

    Attributes:
        technique: Which does it.
        strength: Of the technique, to which the level becomes.
        low: At level 0, where it changes nothing.
        high: At level 1.
    """

    technique: type[BatchTechnique]
    strength: str
    low: float
    high: float


EFFECTS: Mapping[str, Effect] = {
    "InputNoise": Effect(InputNoise, "deviation", 0.0, 1.0),
    "SwapNoise": Effect(SwapNoise, "rate", 0.0, 0.5),
    "FeatureMasking": Effect(FeatureMasking, "rate", 0.0, 0.5),
    "Mixup": Effect(Mixup, "alpha", 0.0, 2.0),
    "CutMix": Effect(CutMix, "alpha", 0.0, 2.0),
    "Jitter": Effect(Jitter, "deviation", 0.0, 0.5),
    "Scaling": Effect(Scaling, "deviation", 0.0, 0.5),
    "TimeWarp": Effect(TimeWarp, "deviation", 0.0, 1.0),
    "WindowCrop": Effect(WindowCrop, "share", 1.0, 0.5),
    "SegmentPermutation": Effect(SegmentPermutation, "rate", 0.0, 1.0),
    "RandomSwap": Effect(RandomSwap, "amount", 0.0, 0.5),
    "RandomDeletion": Effect(RandomDeletion, "amount", 0.0, 0.5),
    "SynonymReplacement": Effect(SynonymReplacement, "amount", 0.0, 0.5),
    "RandomInsertion": Effect(RandomInsertion, "amount", 0.0, 0.5),
}
"""The operations that are no operations on images."""

NAMES = (*LEARNED, *EFFECTS)
"""All operations; those on images come first, in the order of `spaces`."""

OF_SYNONYMS = ("SynonymReplacement", "RandomInsertion")
"""The operations that ask for a source of synonyms."""

MENUS: Mapping[Kind, tuple[str, ...]] = {
    "images": tuple(LEARNED),
    "a table": ("Identity", "InputNoise", "SwapNoise", "FeatureMasking", "Mixup", "CutMix"),
    "sequences": (
        *("Identity", "Jitter", "Scaling", "TimeWarp", "WindowCrop", "SegmentPermutation"),
        *("Mixup", "CutMix"),
    ),
    "texts": ("Identity", "RandomSwap", "RandomDeletion", *OF_SYNONYMS),
}
"""The operations for each kind of data."""


def read_numbers(policy: Written) -> Numbers:
    """A policy as numbers, which members may differ in.

    >>> read_numbers(((("Rotate", 0.5, 1), ("Identity", 0, 0)),))
    (((5.0, 0.5, 1.0), (0.0, 0.0, 0.0)),)
    """
    return tuple(tuple((float(NAMES.index(str(o))), float(p), float(m)) for o, p, m in sub) for sub in policy)


def write_policy(numbers: Sequence[Sequence[Sequence[float]]]) -> Written:
    """The policy that these numbers are.

    >>> write_policy((((5.0, 0.5, 1.0), (0.0, 0.0, 0.0)),))
    ((('Rotate', 0.5, 1.0), ('Identity', 0.0, 0.0)),)
    """
    return tuple(tuple((NAMES[int(code)], p, m) for code, p, m in sub) for sub in numbers)


def round_policy(policy: Written) -> Written:
    """The same with probabilities and levels of three decimals.

    >>> round_policy(((("Rotate", 0.12345, 1.0), ("Identity", 0.0, 0.0)),))
    ((('Rotate', 0.123, 1.0), ('Identity', 0.0, 0.0)),)
    """
    return tuple(tuple((o, round(float(p), 3), round(float(m), 3)) for o, p, m in sub) for sub in policy)


def is_policy(policy: object) -> bool:
    """Whether it is a list of sub-policies of two operations with a probability and a level in [0, 1].

    >>> is_policy(((("Rotate", 0.5, 1.0), ("Invert", 1.0, 0.0)),)), is_policy(((("Rotate", 0.5, 1.0),),))
    (True, False)
    """
    subs = policy if isinstance(policy, tuple) else ()
    return bool(subs) and all(isinstance(s, tuple) and len(s) == 2 and all(map(_is_operation, s)) for s in subs)


def _is_operation(written: object) -> bool:
    if not isinstance(written, tuple) or len(written) != 3 or written[0] not in NAMES:
        return False
    return all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 1 for v in written[1:])


def choose_steps(
    numbers: Float[Tensor, "K S 2 3"], sub: Int64[Tensor, "K B"], drawn: Float[Tensor, "K B 2"]
) -> tuple[Int64[Tensor, "K B 2"], Float[Tensor, "K B 2"]]:
    """Operation (as position among `NAMES`, -1 for none) and level of both steps of each row. Usable alone.

    Args:
        numbers: The policy of each member.
        sub: The sub-policy of each row.
        drawn: Numbers from 0 to 1; an operation is done where its number is below its probability.

    >>> numbers = torch.tensor([[[[5.0, 0.5, 1.0], [2.0, 1.0, 0.3]]]])
    >>> choose_steps(numbers, torch.zeros(1, 1, dtype=torch.int64), torch.tensor([[[0.7, 0.7]]]))
    (tensor([[[-1,  2]]]), tensor([[[1.0000, 0.3000]]]))
    """
    operation, probability, level = take_rows(numbers, sub).unbind(-1)
    return torch.where(drawn < probability, operation.round().to(torch.int64), -1), level


def apply_steps(
    batch: Batch, choice: Int64[Tensor, "K B 2"], level: Float[Tensor, "K B 2"], *, synonyms: str = "", key: Key
) -> Batch:
    """Do to each row its two operations, one after another, at these levels; nothing where the choice is -1.

    Each operation is computed on the rows that chose it alone; `key` holds one number a member.
    """
    if kind_of(batch) == "images":
        return augment(batch, LEARNED, choice, level, key=key)
    rows = torch.arange(batch.y.shape[1], device=key.device)
    for n in range(choice.shape[-1]):
        own = make_key(key.unsqueeze(1), step=rows, place=f"step.{n}")
        for name in _names(choice[..., n]):
            if name in EFFECTS:
                done, effect = choice[..., n] == NAMES.index(name), EFFECTS[name]
                amount = (effect.low + level[..., n] * (effect.high - effect.low)).to(batch.x.dtype)
                if name in BETWEEN:
                    changed = _between(name, batch, done, amount, own, make_key(key, step=n, place="partner"))
                    batch = _where(done, changed, batch)
                else:
                    batch = _alone(name, batch, done, amount, own, synonyms)
    return batch


BETWEEN = ("SwapNoise", "Mixup", "CutMix")
"""What takes from other rows of the batch."""


def _between(
    name: str,
    batch: Batch,
    done: Bool[Tensor, "K B"],
    amount: Float[Tensor, "K B"],
    own: Int64[Tensor, "K B"],
    key: Key,
) -> Batch:
    """All rows changed by what takes from others; `own` is each row's key, `key` each member's."""
    if name == "SwapNoise":
        width, cells = batch.x.shape[-1], batch.x.shape[-1] + batch.codes.shape[-1]
        x, codes = swap_cells((batch.x, batch.codes), 1.0, key=key)
        swapped = random.bernoulli(own.flatten(), (cells,), amount.flatten()).view(*own.shape, cells)
        x, codes = torch.where(swapped[..., :width], x, batch.x), torch.where(swapped[..., width:], codes, batch.codes)
        return batch._replace(x=x, codes=codes)
    share = draw_shares(torch.where(done, amount, 0).flatten(), 1, key=own.flatten()).view(own.shape)
    partner = random.permutation(key, own.shape[1])
    if name == "Mixup":
        return mix_batch(batch, partner, share)
    return paste_pieces(batch, partner, share, key=make_key(key, step=0, place="piece"))


def _alone(
    name: str,
    batch: Batch,
    done: Bool[Tensor, "K B"],
    amount: Float[Tensor, "K B"],
    own: Int64[Tensor, "K B"],
    synonyms: str,
) -> Batch:
    """The batch, rows that chose the operation changed one by one, each as if it were a member with a batch of one."""
    effect, index = EFFECTS[name], done.flatten().nonzero().squeeze(1)
    structure = {"synonyms": synonyms} if name in OF_SYNONYMS else {}
    technique = effect.technique(**{effect.strength: amount.flatten()[index]}, **structure)
    x, codes = batch.x.flatten(0, 1), batch.codes.flatten(0, 1)
    rows = Batch(x[index].unsqueeze(1), codes[index].unsqueeze(1), batch.y.flatten(0, 1)[index].unsqueeze(1), None)
    changed = technique.batch(rows._replace(facts=batch.facts), own.flatten()[index])
    x, codes = x.index_copy(0, index, changed.x[:, 0]), codes.index_copy(0, index, changed.codes[:, 0])
    return batch._replace(x=x.view(batch.x.shape), codes=codes.view(batch.codes.shape))


def _where(done: Bool[Tensor, "K B"], changed: Batch, batch: Batch) -> Batch:
    """The changed row where the mask says so, with its target and weight; else the row as it was."""

    def pick(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(done.view(*done.shape, *[1] * (old.dim() - 2)), new, old)

    weight = batch.weight if batch.weight is None or changed.weight is None else pick(changed.weight, batch.weight)
    x, codes, y = pick(changed.x, batch.x), pick(changed.codes, batch.codes), pick(changed.y, batch.y)
    return batch._replace(x=x, codes=codes, y=y, weight=weight)


def _names(choice: Tensor) -> list[str]:
    """The operations among these choices."""
    counts = torch.bincount(choice.flatten() + 1, minlength=1 + len(NAMES))
    return [name for name, count in zip(NAMES, counts[1:].tolist(), strict=True) if count]


@dataclass(frozen=True, kw_only=True)
class Policy(BatchTechnique):
    """Change each row by a sub-policy of its own. For images it needs Kornia.

    Args:
        policy: Sub-policies of two operations (name, probability, level), the last two from 0 to 1. Members of one
            population may have policies of their own with equally many sub-policies.
        probability: That a row is changed at all; 0 changes nothing.
        synonyms: For texts: path of a file with a group of synonyms a line, or of WordNet's folder `dict`.

    >>> Policy(policy=((("InputNoise", 0.7, 0.2), ("Mixup", 0.3, 0.5)),)).probability
    1.0
    """

    probability: Strength = strength(1.0, valid=(0.0, 1.0), search=(0.0, 1.0))
    policy: Written | Float[Tensor, "K S 2 3"] = vector(((IDLE, IDLE),), read=read_numbers)
    synonyms: str = ""

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_source("Policy.synonyms", self.synonyms)
        if isinstance(self.policy, Tensor):
            return
        if not is_policy(self.policy):
            must = "be sub-policies of two operations (name, probability, level)"
            do = f"Probabilities and levels lie in [0, 1]. Known: {', '.join(NAMES)}."
            raise refusal("Policy.policy", must, self.policy, do)
        asking = [o[0] for sub in self.policy for o in sub if o[0] in OF_SYNONYMS]
        if asking and not self.synonyms:
            must = f"name a source of synonyms for {asking[0]}"
            raise refusal("Policy.synonyms", must, self.synonyms, "Name one, or take the operation out.")

    def batch(self, batch: Batch, key: Key) -> Batch:
        like = torch.empty((), dtype=wide(batch.x.dtype), device=batch.x.device)
        numbers = self.policy
        if not isinstance(numbers, Tensor):
            numbers = like.new_tensor(read_numbers(numbers)).expand(len(batch.y), -1, -1, -1)
        check_operations(numbers, kind_of(batch))
        sub = random.choice(make_key(key, step=0, place="sub-policy"), numbers.shape[1], batch.y.shape[1])
        drawn = torch.stack([uniform_each(key, batch, f"operation.{n}") for n in range(2)], dim=-1)
        choice, level = choose_steps(numbers.to(like), sub, drawn)
        choice = torch.where(chosen(self.probability, key, batch, "chosen").unsqueeze(-1), choice, -1)
        return apply_steps(batch, choice, level, synonyms=self.synonyms, key=key)


def check_operations(numbers: Float[Tensor, "K S 2 3"], kind: Kind) -> None:
    """Refuse operations for other data; those of probability 0 may be any.

    Raises:
        BadInput: One is for data of another kind.
    """
    found = _names(torch.where(numbers[..., 1] > 0, numbers[..., 0], 0).to(torch.int64))
    for name in found:
        if name not in MENUS[kind]:
            raise refusal("The operations of Policy", f"be those for {kind}", name, f"Known: {', '.join(MENUS[kind])}.")
