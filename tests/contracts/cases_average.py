"""Place 8: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import EMA, SWA, Lookahead, SnapshotEnsemble

CASES = (
    Case(EMA(decay=0.7, warm_up=False), neutral={"decay": 0.0}, refused={"warm_up": (1, "no")}),
    Case(
        SWA(start_share=0.0, cycle=2, refresh=False),
        neutral={"start_share": 1.0},
        refused={"cycle": (0, 1.0), "refresh": (1, "no")},
    ),
    Case(Lookahead(alpha=0.3, every=3), neutral={"alpha": 1.0}, refused={"every": (0, -1, 2.5, True)}),
    Case(SnapshotEnsemble(count=3), refused={"count": (0, 2.5, True)}),
)
