"""Place 6: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import SAM, AdaptiveClip, ClipNorm, ClipValue, GradientNoise, WeightNoise

CASES = (
    Case(ClipNorm(limit=0.5), neutral={"limit": float("inf")}),
    Case(ClipValue(limit=0.5), neutral={"limit": float("inf")}),
    Case(
        AdaptiveClip(limit=0.1, where="a.*"),
        neutral={"limit": float("inf")},
        refused={"eps": (0.0, -1.0, float("nan"), float("inf"), True, "0"), "where": ("", 0)},
    ),
    Case(GradientNoise(variance=0.3), neutral={"variance": 0.0}),
    Case(WeightNoise(deviation=0.3), neutral={"deviation": 0.0}),
    Case(SAM(adaptive=True, radius=0.3), neutral={"radius": 0.0}, refused={"adaptive": (1, None)}),
)
