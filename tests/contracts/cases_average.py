"""Place 8: one case a technique."""

from case import Case

from wellposed.techniques import EMA

CASES = (
    Case(EMA(decay=0.7, warm_up=False), neutral={"decay": 0.0}, refused={"warm_up": (1, "no")}),
)
