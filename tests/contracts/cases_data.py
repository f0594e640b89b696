"""Place 1: one case a technique."""

from tests.contracts.case import Case

from wellposed.techniques import (
    SMOTE,
    Bootstrap,
    DensityGrowth,
    MinMax,
    MixtureGrowth,
    PCAWhitening,
    Quantile,
    Robust,
    Standardize,
    VAEGrowth,
    ZCAWhitening,
)

SHARES = (0.0, -1.0, float("nan"), float("inf"), True)
COUNTS = (0, -1, 1.5, True, "3")
SEEDS = (-1, 0.5, True)

CASES = (
    Case(Standardize()),
    Case(Robust(clip=False), refused={"clip": (1, "yes")}),
    Case(
        MinMax(low=-1.0, high=2.0),
        refused={"low": (float("nan"), "0", True), "high": (0.0, -1.0, float("inf"), None)},
    ),
    Case(Quantile(to="uniform", n_quantiles=20), refused={"to": ("cauchy",), "n_quantiles": (0, 1, 2.5, True)}),
    Case(
        PCAWhitening(eps=1e-3, shrinkage=0.1),
        refused={"eps": (-1e-5, float("nan"), True, "0"), "shrinkage": (-0.1, 1.1, "some", True, float("nan"))},
    ),
    Case(
        ZCAWhitening(eps=1e-3, shrinkage="auto"),
        refused={"eps": (-1e-5, float("nan"), True, "0"), "shrinkage": (-0.1, 1.1, "some", True, float("nan"))},
    ),
    Case(Bootstrap(share=0.5), refused={"share": (0.0, 1.5, True, "all", float("nan"))}),
    Case(
        MixtureGrowth(share=0.5, components=2, covariance="diag", seed=7),
        refused={"share": SHARES, "components": COUNTS, "covariance": ("tied", None), "seed": SEEDS},
    ),
    Case(
        DensityGrowth(share=0.5, bandwidth=0.5, seed=7),
        refused={"share": SHARES, "bandwidth": (-0.1, float("nan"), "1"), "seed": SEEDS},
    ),
    Case(
        SMOTE(share=0.5, neighbors=3, seed=7),
        refused={"share": (*SHARES, "all"), "neighbors": COUNTS, "seed": SEEDS},
    ),
    Case(
        VAEGrowth(share=0.5, latent=2, width=16, epochs=1, seed=7),
        refused={"share": SHARES, "latent": COUNTS, "width": COUNTS, "epochs": COUNTS, "seed": SEEDS},
    ),
)
