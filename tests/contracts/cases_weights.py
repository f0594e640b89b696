"""Place 2: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import (
    LSUV,
    ClassPrior,
    Constant,
    DeltaOrthogonal,
    Fixup,
    Gaussian,
    He,
    LeCun,
    Orthogonal,
    TruncatedGaussian,
    Uniform,
    Xavier,
)

CASES = (
    Case(
        He(distribution="uniform", mode="fan_out", negative_slope=0.1, gain="leaky_relu"),
        refused={
            "distribution": ("cauchy",),
            "mode": ("fan_max",),
            "gain": ("swish", None),
            "negative_slope": (float("inf"), float("nan"), "0.1", True),
        },
    ),
    Case(
        Xavier(distribution="truncated", mode="fan_in", gain="tanh"),
        refused={"distribution": ("cauchy", None), "mode": ("fan_max",), "gain": (1.0, "swish")},
    ),
    Case(Gaussian(deviation=0.3)),
    Case(Constant(value=0.5)),
    Case(TruncatedGaussian(deviation=0.3)),
    Case(Uniform(limit=0.3)),
    Case(LeCun(distribution="truncated"), refused={"distribution": ("cauchy", 1)}),
    Case(Orthogonal(gain=1.5)),
    Case(DeltaOrthogonal(gain=1.5)),
    Case(
        LSUV(tolerance=0.05, steps=3),
        refused={"tolerance": (0.0, -1.0, float("nan"), "0"), "steps": (0, 1.5, True)},
    ),
    Case(Fixup()),
    Case(ClassPrior()),
)
