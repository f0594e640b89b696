"""The sentence that every refusal is made of: *what* must be *what*. Got *value*. Then, if known, what to do."""

import math
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


def check_choice(what: str, got: object, known: Iterable[object]) -> None:
    """Refuse what is none of the known words.

    >>> check_choice("Dropout.where", "behind", ("before", "after"))
    Traceback (most recent call last):
    wellposed.errors.BadInput: Dropout.where must be 'before' or 'after'. Got 'behind'.
    """
    words = list(known)
    if got not in words:
        listed = [repr(word) for word in words]
        raise refusal(what, f"be {' or '.join([', '.join(listed[:-1]), listed[-1]] if listed[1:] else listed)}", got)


def check_flag(what: str, got: object) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(got, bool):
        raise refusal(what, "be true or false", got)


def check_count(what: str, got: object, *, least: int = 1) -> None:
    """Refuse what is no whole number of at least `least`."""
    if isinstance(got, bool) or not isinstance(got, int) or got < least:
        must = {0: "be a whole number of at least 0", 1: "be a positive whole number"}
        raise refusal(what, must.get(least, f"be a whole number of at least {least}"), got)


def check_number(what: str, got: object, *, low: float = -math.inf, high: float = math.inf, open: str = "") -> None:
    """Refuse what is no finite number from `low` to `high`; `open` holds the ends that are left out, of "(" and ")".

    >>> check_number("BatchNorm.eps", 0.0, low=0, open="(")
    Traceback (most recent call last):
    wellposed.errors.BadInput: BatchNorm.eps must be a finite number above 0. Got 0.0.
    """
    number = isinstance(got, int | float) and not isinstance(got, bool) and math.isfinite(got)
    below, above = ("(" in open, ")" in open)
    if number and (low < got if below else low <= got) and (got < high if above else got <= high):  # type: ignore[operator]
        return
    if math.isfinite(low) and math.isfinite(high):
        must = f"be in {'(' if below else '['}{low:g}, {high:g}{')' if above else ']'}"
    else:
        ends = [f"{'above' if below else 'of at least'} {low:g}"] if math.isfinite(low) else []
        ends += [f"{'below' if above else 'of at most'} {high:g}"] if math.isfinite(high) else []
        must = " ".join(["be a finite number", *ends])
    raise refusal(what, must, got)
