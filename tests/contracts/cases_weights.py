"""Place 2: one case a technique."""

from case import Case

from wellposed.techniques import Constant, Gaussian, He, Xavier

CASES = (
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
)
