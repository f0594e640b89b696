"""Place 6: one case a technique."""

from case import Case

from wellposed.techniques import ClipNorm

CASES = (
    Case(ClipNorm(limit=0.5), neutral={"limit": float("inf")}),
)
