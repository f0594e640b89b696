"""Place 9: one case a technique."""

from case import Case

from wellposed.techniques import Patience

CASES = (
    Case(
        Patience(epochs=3, min_delta=0.1),
        refused={"epochs": (0, -1, 2.5, True), "min_delta": (-0.1, float("inf"), float("nan"), "0")},
    ),
)
