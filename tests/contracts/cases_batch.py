"""Place 3: one case a technique."""

from case import Case

from wellposed.techniques import InputNoise, LabelSmoothing

CASES = (
    Case(LabelSmoothing(amount=0.2), neutral={"amount": 0.0}),
    Case(InputNoise(deviation=0.3), neutral={"deviation": 0.0}),
)
