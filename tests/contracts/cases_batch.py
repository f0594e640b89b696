"""Place 3: one case a technique."""

from pathlib import Path

from tests.contracts.case import Case

from wellposed.techniques import (
    AutoAugment,
    BackTranslation,
    Blur,
    Brightness,
    Contrast,
    CutMix,
    Cutout,
    Elastic,
    FeatureMasking,
    Flip,
    HeavierAugmentation,
    InputNoise,
    Jitter,
    LabelNoise,
    LabelSmoothing,
    LightAugmentation,
    Mixup,
    Policy,
    RandAugment,
    RandomDeletion,
    RandomInsertion,
    RandomSwap,
    Rotation,
    Scaling,
    SegmentPermutation,
    SentenceShuffle,
    Shear,
    ShiftCrop,
    SwapNoise,
    SynonymReplacement,
    TimeWarp,
    TrivialAugment,
    WindowCrop,
    Zoom,
)

SYNONYMS = str(Path(__file__).with_name("synonyms.txt"))

CASES = (
    Case(LabelSmoothing(amount=0.2), neutral={"amount": 0.0}),
    Case(InputNoise(deviation=0.3), neutral={"deviation": 0.0}),
    Case(Mixup(alpha=1.0, each="row"), neutral={"alpha": 0.0}, refused={"each": ("member", None)}),
    Case(CutMix(alpha=0.7, each="row"), neutral={"alpha": 0.0}, refused={"each": ("member", None)}),
    Case(LabelNoise(rate=0.6), neutral={"rate": 0.0}),
    Case(SwapNoise(rate=0.4), neutral={"rate": 0.0}),
    Case(
        FeatureMasking(rate=0.4, value=-1.0),
        neutral={"rate": 0.0},
        refused={"value": ("0", None, True, float("nan"), float("inf"))},
    ),
    Case(
        SynonymReplacement(amount=0.4, synonyms=SYNONYMS),
        neutral={"amount": 0.0},
        kind="tokens",
        refused={"synonyms": (1, None)},
    ),
    Case(
        RandomInsertion(amount=0.4, synonyms=SYNONYMS),
        neutral={"amount": 0.0},
        kind="tokens",
        refused={"synonyms": (1, None)},
    ),
    Case(RandomSwap(amount=0.4), neutral={"amount": 0.0}, kind="tokens"),
    Case(RandomDeletion(amount=0.4), neutral={"amount": 0.0}, kind="tokens"),
    Case(SentenceShuffle(rate=1.0), neutral={"rate": 0.0}, kind="tokens"),
    Case(
        BackTranslation(forward="en-de", back="de-en", beams=2),
        refused={
            "forward": (None, 1),
            "back": (None, 1),
            "beams": (0, 1.5, True),
            "at_once": (0, "16"),
            "longest": (-1, None),
        },
    ),
    Case(Jitter(deviation=0.3), neutral={"deviation": 0.0}, kind="steps"),
    Case(Scaling(deviation=0.3), neutral={"deviation": 0.0}, kind="steps"),
    Case(
        TimeWarp(deviation=0.4, knots=2), neutral={"deviation": 0.0}, kind="steps", refused={"knots": (-1, 1.5, True)}
    ),
    Case(WindowCrop(share=0.6), neutral={"share": 1.0}, kind="steps"),
    Case(
        SegmentPermutation(rate=0.9, segments=3),
        neutral={"rate": 0.0},
        kind="steps",
        refused={"segments": (1, 0, 2.5, True)},
    ),
    Case(
        Flip(probability=0.4, axis="vertical"), neutral={"probability": 0.0}, kind="images", refused={"axis": ("both",)}
    ),
    Case(ShiftCrop(shift=0.3, fill="nearest"), neutral={"shift": 0.0}, kind="images", refused={"fill": ("mean",)}),
    Case(Rotation(degrees=40.0, fill="nearest"), neutral={"degrees": 0.0}, kind="images", refused={"fill": (None,)}),
    Case(
        Shear(slope=0.4, axis="vertical"),
        neutral={"slope": 0.0},
        kind="images",
        refused={"axis": ("x",), "fill": ("high",)},
    ),
    Case(
        Zoom(amount=0.3, stretch=True),
        neutral={"amount": 0.0},
        kind="images",
        refused={"stretch": (1, "yes"), "fill": (0,)},
    ),
    Case(Brightness(amount=0.3), neutral={"amount": 0.0}, kind="images"),
    Case(Contrast(amount=0.3), neutral={"amount": 0.0}, kind="images"),
    Case(
        Blur(deviation=1.5, radius=5), neutral={"deviation": 0.0}, kind="images", refused={"radius": (0, -1, 1.5, True)}
    ),
    Case(
        Elastic(amount=20.0, smoothness=2.0),
        neutral={"amount": 0.0},
        kind="images",
        refused={"smoothness": (0.0, float("nan"), float("inf"), "4", True), "fill": ("zero",)},
    ),
    Case(
        Cutout(size=0.4, fill="low"),
        neutral={"size": 0.0, "probability": 0.0},
        kind="images",
        refused={"fill": ("nearest",)},
    ),
    Case(
        LightAugmentation(shift=0.2, fill="low"),
        neutral={"shift": 0.0, "probability": 0.0},
        kind="images",
        refused={"fill": ("zero",)},
    ),
    Case(
        HeavierAugmentation(amount=0.5, fill="low"), neutral={"amount": 0.0}, kind="images", refused={"fill": ("zero",)}
    ),
    Case(
        RandAugment(magnitude=15.0, operations=3),
        neutral={"probability": 0.0},
        kind="images",
        refused={"operations": (0, 1.5, True)},
    ),
    Case(
        TrivialAugment(space="standard"),
        neutral={"probability": 0.0},
        kind="images",
        refused={"space": ("narrow",)},
    ),
    Case(
        AutoAugment(policy=((("Rotate", 0.7, 2.0), ("Cutout", 0.3, 9.0)), (("Equalize", 0.9, 0.0),))),
        neutral={"probability": 0.0},
        kind="images",
        refused={
            "policy": (
                "mnist",
                (),
                ((),),
                (("Rotate", 0.7, 2.0),),
                ((("Turn", 0.7, 2.0),),),
                ((("Rotate", 1.7, 2.0),),),
                ((("Rotate", 0.7, 10.0),),),
                ((("Rotate", 0.7, True),),),
                ((("Rotate", 0.7),),),
                ((("Rotate", float("nan"), 2.0),),),
            )
        },
    ),
    Case(
        Policy(
            policy=(
                (("Rotate", 0.7, 0.2), ("Cutout", 0.3, 0.9)),
                (("Equalize", 0.9, 0.0), ("Identity", 0.0, 0.0)),
            )
        ),
        neutral={"probability": 0.0},
        kind="images",
        refused={
            "policy": (
                "cifar10",
                (),
                ((),),
                ((("Rotate", 0.7, 0.2),),),
                ((("Rotate", 0.7, 0.2),) * 3,),
                ((("Turn", 0.7, 0.2),) * 2,),
                ((("Rotate", 1.7, 0.2),) * 2,),
                ((("Rotate", 0.7, 2.0),) * 2,),
                ((("Rotate", 0.7, True),) * 2,),
                ((("Rotate", float("nan"), 0.2),) * 2,),
            ),
            "synonyms": (1, None),
        },
    ),
)
