"""Place 10: one case a technique."""

from case import Case

from wellposed.techniques import Vote

CASES = (
    Case(Vote(how="majority"), refused={"how": ("median", None)}),
)
