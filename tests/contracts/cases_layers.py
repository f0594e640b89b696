"""Place 4: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import (
    AlphaDropout,
    BatchNorm,
    BatchRenorm,
    DropBlock,
    DropConnect,
    Dropout,
    FeatureNoise,
    GaussianDropout,
    GhostBatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    RMSNorm,
    ShakeDrop,
    ShakeShake,
    SpatialDropout,
    SpectralNorm,
    StochasticDepth,
    WeightNorm,
)

EPS = (0.0, -1.0, float("nan"), float("inf"), True, "0")
COUNT = (0, -1, 2.0, True, "2", None)

CASES = (
    Case(BatchNorm(momentum=0.3, statistics="population"), refused={"eps": EPS, "statistics": ("batch", 1, None)}),
    Case(LayerNorm(eps=1e-4), refused={"eps": EPS}),
    Case(BatchRenorm(r_max=1.5), refused={"eps": EPS}),
    Case(GhostBatchNorm(rows=3), refused={"eps": EPS, "rows": (*COUNT, 1)}),
    Case(GroupNorm(groups=2), refused={"eps": EPS, "groups": COUNT}),
    Case(InstanceNorm(affine=True), refused={"eps": EPS, "affine": (1, None, "yes")}),
    Case(RMSNorm(eps=1e-4), refused={"eps": EPS}),
    Case(WeightNorm()),
    Case(SpectralNorm(iterations=2), refused={"eps": EPS, "iterations": COUNT}),
    Case(
        Dropout(shape="funnel", rate=0.3),
        neutral={"rate": 0.0},
        refused={"scaling": ("weights", None), "shape": ("cone", None)},
    ),
    Case(GaussianDropout(rate=0.3), neutral={"rate": 0.0}),
    Case(AlphaDropout(rate=0.3), neutral={"rate": 0.0}),
    Case(SpatialDropout(rate=0.3), neutral={"rate": 0.0}),
    Case(DropBlock(size=2, rate=0.3), neutral={"rate": 0.0}, refused={"size": COUNT}),
    Case(DropConnect(rate=0.3), neutral={"rate": 0.0}),
    Case(
        StochasticDepth(decay="uniform", rate=0.3),
        neutral={"rate": 0.0},
        refused={"decay": ("exponential", None), "mode": ("column", None)},
    ),
    Case(
        ShakeDrop(forward="zero", decay="uniform", rate=0.3),
        neutral={"rate": 0.0},
        refused={"forward": ("one", None), "decay": ("exponential", None), "mode": ("column", None)},
    ),
    Case(
        ShakeShake(backward="even", amount=0.5),
        refused={"backward": ("none", None), "mode": ("column", None)},
    ),
    Case(FeatureNoise(deviation=0.3), neutral={"deviation": 0.0}),
)
