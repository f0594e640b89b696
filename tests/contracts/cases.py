"""One line a technique: an example, the strengths that change nothing, and structure that must be refused.

What is refused of a strength follows from its declared range, and the values that members differ in from what is
declared worth searching; so a technique of strengths alone needs no more than an example.
"""

from dataclasses import dataclass, field

from wellposed.techniques import (
    EMA,
    L1,
    L2,
    BatchNorm,
    Bootstrap,
    ClipNorm,
    Constant,
    Dropout,
    Gaussian,
    He,
    InputNoise,
    LabelSmoothing,
    LayerNorm,
    MaxNorm,
    Patience,
    Robust,
    Standardize,
    Vote,
    WeightDecay,
    Xavier,
)
from wellposed.techniques.technique import Technique


@dataclass(frozen=True)
class Case:
    """What the contracts need to know.

    Attributes:
        example: A technique unlike its default, where it has fields.
        neutral: Strengths under which it changes nothing; None where there are none.
        refused: For each field that is no strength, values out of range.
    """

    example: Technique
    neutral: dict[str, float] | None = None
    refused: dict[str, tuple[object, ...]] = field(default_factory=dict)


_ALL = (
    Case(Standardize()),
    Case(Robust(clip=False), refused={"clip": (1, "yes")}),
    Case(Bootstrap(share=0.5), refused={"share": (0.0, 1.5, True, "all", float("nan"))}),
    Case(
        He(distribution="uniform", mode="fan_out", negative_slope=0.1),
        refused={
            "distribution": ("cauchy",),
            "mode": ("fan_avg",),
            "negative_slope": (float("inf"), float("nan"), "0.1", True),
        },
    ),
    Case(Xavier(distribution="uniform"), refused={"distribution": ("cauchy", None)}),
    Case(Gaussian(deviation=0.3)),
    Case(Constant(value=0.5)),
    Case(LabelSmoothing(amount=0.2), neutral={"amount": 0.0}),
    Case(InputNoise(deviation=0.3), neutral={"deviation": 0.0}),
    Case(BatchNorm(momentum=0.3), refused={"eps": (0.0, -1.0, float("nan"), float("inf"), True, "0")}),
    Case(LayerNorm(eps=1e-4), refused={"eps": (0.0, -1.0, float("nan"), float("inf"), True, "0")}),
    Case(Dropout(rate=0.3), neutral={"rate": 0.0}),
    Case(L1(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(L2(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(ClipNorm(limit=0.5), neutral={"limit": float("inf")}),
    Case(WeightDecay(amount=0.3), neutral={"amount": 0.0}),
    Case(MaxNorm(limit=0.5), neutral={"limit": float("inf")}),
    Case(EMA(decay=0.7, warm_up=False), neutral={"decay": 0.0}, refused={"warm_up": (1, "no")}),
    Case(
        Patience(epochs=3, min_delta=0.1),
        refused={"epochs": (0, -1, 2.5, True), "min_delta": (-0.1, float("inf"), float("nan"), "0")},
    ),
    Case(Vote(how="majority"), refused={"how": ("median", None)}),
)

CASES: dict[type[Technique], Case] = {type(case.example): case for case in _ALL}
