"""Place 4: one case a technique."""

from case import Case

from wellposed.techniques import BatchNorm, Dropout, LayerNorm

CASES = (
    Case(BatchNorm(momentum=0.3), refused={"eps": (0.0, -1.0, float("nan"), float("inf"), True, "0")}),
    Case(LayerNorm(eps=1e-4), refused={"eps": (0.0, -1.0, float("nan"), float("inf"), True, "0")}),
    Case(Dropout(rate=0.3), neutral={"rate": 0.0}),
)
