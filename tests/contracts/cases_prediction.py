"""Place 10: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import GreedySelection, MonteCarloDropout, TemperatureScaling, Vote

CASES = (
    Case(Vote(how="majority"), refused={"how": ("median", None)}),
    Case(GreedySelection(steps=7), refused={"steps": (0, 2.5, True)}),
    Case(MonteCarloDropout(passes=10), refused={"passes": (0, 2.5, True)}),
    Case(TemperatureScaling()),
)
