"""Place 5: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import (
    L1,
    L2,
    AdversarialTraining,
    ConfidencePenalty,
    ElasticNet,
    GroupLasso,
    JacobianPenalty,
    RDrop,
)

CASES = (
    Case(L1(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(L2(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(ElasticNet(amount=0.1, where="a.*"), neutral={"amount": 0.0}, refused={"where": ("", 0)}),
    Case(
        GroupLasso(amount=0.1, group="output"),
        neutral={"amount": 0.0},
        refused={"where": ("", 0), "group": ("layer", None)},
    ),
    Case(JacobianPenalty(amount=0.1), neutral={"amount": 0.0}, refused={"projections": (-1, 1.0, True, "1")}),
    Case(ConfidencePenalty(amount=0.2), neutral={"amount": 0.0}),
    Case(RDrop(amount=0.2), neutral={"amount": 0.0}),
    Case(AdversarialTraining(epsilon=0.3), neutral={"share": 0.0}),
)
