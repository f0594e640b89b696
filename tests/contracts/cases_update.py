"""Place 7: one case a technique."""

from case import Case

from wellposed.techniques import MaxNorm, WeightDecay

CASES = (
    Case(WeightDecay(amount=0.3), neutral={"amount": 0.0}),
    Case(MaxNorm(limit=0.5), neutral={"limit": float("inf")}),
)
