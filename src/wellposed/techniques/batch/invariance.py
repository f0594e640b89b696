"""Class invariance: which changes of images leave the class as it is, by rule and by measurement.

An augmentation teaches that its changes do not matter. Where they do, it teaches a mistake: a 6 turned by 180 degrees
is a 9. The rules, as the strongest change that leaves every class what it is:

| change | digits | letters | objects | anything |
|---|---|---|---|---|
| mirrored left and right | never: 2 is near 5 | never: b is d | always | no rule |
| mirrored top and bottom | never: 2 is near 5, 6 near 9 | never: b is p | always | no rule |
| rotation | 90 degrees: beyond, 6 is nearer to 9 | 45: beyond, Z is nearer to N | always | no rule |
| move | half of the size, for all: beyond, what counts may be outside |
| covered | less than the whole size, for all: else nothing may be left |
| brightness, contrast | less than the whole range, for all: else nothing may be left |

All other changes of this place keep classes of these kinds. A rule is no measurement: `measure_label_change` asks a
trained network.

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks, ICDAR 2003, section 2; Cubuk et
al., AutoAugment, 2019, https://arxiv.org/abs/1805.09501, section 4 (policies differ by data set).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from wellposed.random import Key
from wellposed.techniques.batch.auto_augment import AutoAugment, read_policy
from wellposed.techniques.batch.brightness import Brightness
from wellposed.techniques.batch.contrast import Contrast
from wellposed.techniques.batch.crop import ShiftCrop
from wellposed.techniques.batch.cutout import Cutout
from wellposed.techniques.batch.flip import Flip
from wellposed.techniques.batch.heavier_augmentation import HeavierAugmentation
from wellposed.techniques.batch.light_augmentation import LightAugmentation
from wellposed.techniques.batch.policy import Policy
from wellposed.techniques.batch.rand_augment import RandAugment
from wellposed.techniques.batch.rotation import Rotation
from wellposed.techniques.batch.spaces import LEARNED, STANDARD, WIDE
from wellposed.techniques.batch.trivial_augment import TrivialAugment
from wellposed.techniques.places import Batch, BatchTechnique, Facts
from wellposed.techniques.technique import Strength, Technique

Labels: TypeAlias = Literal["digits", "letters", "objects"]
"""What the classes are; None where nothing is known of them."""


class Verdict(NamedTuple):
    """Whether a technique keeps the class of every image.

    Attributes:
        preserved: True where no rule says otherwise.
        reason: The rule that is broken, as a sentence; empty where none is.
    """

    preserved: bool
    reason: str = ""


class LabelChange(NamedTuple):
    """What a network says of changed images.

    Attributes:
        share: Of the rows it knew, that it now takes for another class.
        by_class: The same for each class; NaN for a class of which it knew no row.
    """

    share: float
    by_class: Float[Tensor, " C"]


class Rule(NamedTuple):
    """The strongest change that keeps the class, and what happens beyond."""

    labels: Labels | None
    change: str
    limit: float
    reason: str


RULES = (
    Rule("digits", "mirror", 0.0, "a digit mirrored left and right is none, and a 2 is near a 5"),
    Rule("letters", "mirror", 0.0, "a b mirrored left and right is a d"),
    Rule("digits", "upside down", 0.0, "mirrored top and bottom a 2 is near a 5, and a 6 near a 9"),
    Rule("letters", "upside down", 0.0, "a b mirrored top and bottom is a p"),
    Rule("digits", "degrees", 90.0, "a 6 turned by more than 90 degrees is nearer to a 9"),
    Rule("letters", "degrees", 45.0, "a Z turned by more than 45 degrees is nearer to an N"),
    Rule(None, "move", 0.5, "what an image shows may be moved out of it"),
    Rule(None, "covered", 0.99, "the whole image may be covered"),
    Rule(None, "light", 0.99, "an image may become a single color"),
)


def changes_of(technique: Technique) -> dict[str, float]:
    """The strongest changes that a technique makes to an image, by name; none for a technique that makes no such."""
    match technique:
        case Flip():
            return {"mirror" if technique.axis == "horizontal" else "upside down": _most(technique.probability)}
        case Rotation():
            return {"degrees": _most(technique.degrees)}
        case ShiftCrop():
            return {"move": _most(technique.shift)}
        case Cutout():
            return {"covered": _most(technique.size)}
        case Brightness() | Contrast():
            return {"light": _most(technique.amount)}
        case LightAugmentation():
            return {"mirror": _most(technique.probability), "move": _most(technique.shift)}
        case HeavierAugmentation():
            amount = _most(technique.amount)
            mirror = amount * _most(technique.probability)
            return {"mirror": mirror, "degrees": 22.5 * amount, "move": 0.1 * amount, "light": 0.5 * amount}
        case RandAugment() if _most(technique.probability) > 0:
            return {"degrees": technique.operations * STANDARD["Rotate"].high * _most(technique.magnitude) / 30}
        case TrivialAugment() if _most(technique.probability) > 0:
            return {"degrees": (WIDE if technique.space == "wide" else STANDARD)["Rotate"].high}
        case AutoAugment() if _most(technique.probability) > 0:
            policy = read_policy(technique.policy) or ()
            turns = (sum(m / 9 for name, p, m in sub if name == "Rotate" and p > 0) for sub in policy)
            return {"degrees": LEARNED["Rotate"].high * max(turns)}
        case Policy() if _most(technique.probability) > 0 and isinstance(technique.policy, tuple):
            turns = (sum(float(m) for name, p, m in sub if name == "Rotate" and p) for sub in technique.policy)
            return {"degrees": LEARNED["Rotate"].high * max(turns)}
    return {}


def preserves_label(technique: Technique, *, labels: Labels | None = None) -> Verdict:
    """Whether a technique, by the rules of this page, leaves the class of every image as it is.

    >>> preserves_label(Rotation(degrees=15.0), labels="digits")
    Verdict(preserved=True, reason='')
    >>> preserves_label(Rotation(degrees=180.0), labels="digits").reason
    'Rotation may change the class: a 6 turned by more than 90 degrees is nearer to a 9.'
    """
    found = changes_of(technique)
    for rule in RULES:
        if rule.labels in (None, labels) and found.get(rule.change, 0.0) > rule.limit:
            return Verdict(False, f"{type(technique).__name__} may change the class: {rule.reason}.")
    return Verdict(True)


def _most(value: Strength) -> float:
    """The strength of the member that has most of it."""
    return float(value.max()) if isinstance(value, Tensor) else value


def measure_label_change(
    technique: BatchTechnique,
    network: Callable[[Float[Tensor, "N C H W"]], Float[Tensor, "N classes"]],
    images: Float[Tensor, "N C H W"],
    labels: Int64[Tensor, " N"],
    key: Key,
) -> LabelChange:
    """The share of rows that a trained network takes for another class once the technique has changed them.

    Only rows count that the network knew as they were. A network errs on what it never saw, too: the share is an upper
    bound for what changed in truth.

    Args:
        technique: For images.
        network: From images to logits, as in evaluation.
        images: In the scale of the network.
        labels: The true class of each.
        key: Of the draws, one number.
    """
    with torch.no_grad():
        before = network(images)
        facts = Facts(images.amin((0, 2, 3)), images.amax((0, 2, 3)))
        codes = torch.zeros(1, len(images), 0, dtype=torch.int64, device=images.device)
        y = F.one_hot(labels, before.shape[-1]).to(images).unsqueeze(0)
        after = network(technique.batch(Batch(images.unsqueeze(0), codes, y, None, facts), key.view(1)).x.squeeze(0))
    known = before.argmax(-1) == labels
    other = known & (after.argmax(-1) != labels)
    one_hot = y.squeeze(0)
    by_class = one_hot[other].sum(0) / one_hot[known].sum(0)
    return LabelChange(float(other.sum() / known.sum()), by_class)
