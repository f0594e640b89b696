"""Place 1: one case a technique."""

from case import Case

from wellposed.techniques import Bootstrap, Robust, Standardize

CASES = (
    Case(Standardize()),
    Case(Robust(clip=False), refused={"clip": (1, "yes")}),
    Case(Bootstrap(share=0.5), refused={"share": (0.0, 1.5, True, "all", float("nan"))}),
)
