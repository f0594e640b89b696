"""Place 7: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import MaxNorm, ProximalL1, UnitNorm, WeightDecay

CASES = (
    Case(WeightDecay(amount=0.3), neutral={"amount": 0.0}),
    Case(MaxNorm(limit=0.5), neutral={"limit": float("inf")}),
    Case(UnitNorm(where="a.*"), refused={"where": ("", 0)}),
    Case(ProximalL1(amount=0.3), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
)
