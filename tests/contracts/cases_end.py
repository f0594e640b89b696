"""Place 9: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import (
    Evidence,
    GeneralizationLoss,
    Patience,
    ProgressQuotient,
    SuccessiveIncreases,
    TimeBudget,
)

CASES = (
    Case(
        Patience(epochs=3, min_delta=0.1),
        refused={"epochs": (0, -1, 2.5, True), "min_delta": (-0.1, float("inf"), float("nan"), "0")},
    ),
    Case(GeneralizationLoss(alpha=3.0)),
    Case(
        ProgressQuotient(alpha=2.0, strip=3, least_progress=0.0),
        refused={"strip": (0, 2.5, True), "least_progress": (-0.1, float("nan"), "0")},
    ),
    Case(SuccessiveIncreases(times=2, strip=3), refused={"times": (0, 2.5, True), "strip": (0, "5")}),
    Case(TimeBudget(seconds=5.0), refused={"seconds": (0, -1.0, float("inf"), float("nan"), "60")}),
    Case(Evidence(eps=1e-3), refused={"eps": (0.0, -1e-5, float("nan"), None)}),
)
