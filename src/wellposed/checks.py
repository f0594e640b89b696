"""The sentence that every refusal is made of: *what* must be *what*. Got *value*. Then, if known, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches

from wellposed.errors import BadInput


def refusal(what: str, must: str, got: object, do: str = "") -> BadInput:
    """The error to raise when `what` is not what it must be.

    >>> str(refusal("Dropout.rate", "be in [0, 1]", 1.5))
    'Dropout.rate must be in [0, 1]. Got 1.5.'
    >>> str(refusal("--target", "name a column", "pric", "Did you mean 'price'?"))
    "--target must name a column. Got 'pric'. Did you mean 'price'?"
    """
    return BadInput(f"{what} must {must}. Got {got!r}. {do}".rstrip())


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint that ends a refusal: the nearest of `names`, or all of them when none is near and they are few.

    >>> nearest("incme", ["income", "age"])
    "Did you mean 'income'?"
    >>> nearest("x", ["income", "age"])
    'Known: age, income.'
    """
    known = sorted(set(names))
    close = get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(known)}." if 0 < len(known) <= 30 else ""
