"""Place 5: one case a technique."""

from case import Case

from wellposed.techniques import L1, L2

CASES = (
    Case(L1(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(L2(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
)
