"""Numbers, counts and the names of metrics as people read them.

A number may be None or not finite; both mean "not known", and are told as a dash.
"""

import math

UNKNOWN = "–"
MINUS, SPACE = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"

METRICS = {
    "accuracy": ("accuracy", "higher"),
    "balanced_accuracy": ("balanced accuracy", "higher"),
    "cross_entropy": ("cross-entropy", "lower"),
    "brier": ("Brier score", "lower"),
    "auc": ("area under the ROC curve", "higher"),
    "calibration_error": ("calibration error", "lower"),
    "rmse": ("root mean squared error", "lower"),
    "mae": ("mean absolute error", "lower"),
    "r2": ("R², explained share of the variance", "higher"),
}
"""What each metric is called, and which is better."""


def known(value: float | None) -> bool:
    """Whether there is a finite number."""
    return value is not None and math.isfinite(value)


def number(value: float | None) -> str:
    """A number for people, four significant digits.

    >>> number(0.98328690), number(1234567.8), number(-0.5), number(4.4298e-05), number(None)
    ('0.9833', '1,234,568', '−0.5000', '4.43e−05', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size and not 1e-3 <= size < 1e9:
        text = f"{value:.2e}" if size < 1 else f"{value:.3e}"
    else:
        digits = 3 - math.floor(math.log10(size)) if size > 1 else 4
        text = f"{value:,.{max(0, digits)}f}"
    return text.replace("-", MINUS)


def percent(share: float, rows: int = 0) -> str:
    r"""A share as percent, with two decimals where there are rows enough to tell; the sign stays on the line.

    >>> percent(0.98328690, 359), percent(0.5, 10_000)
    ('98.3\xa0%', '50.00\xa0%')
    """
    return f"{100 * share:.{2 if rows >= 1000 else 1}f}{SPACE}%".replace("-", MINUS)


def plural(n: int, noun: str) -> str:
    """How many of what.

    >>> plural(1, "network"), plural(1200, "row")
    ('1 network', '1,200 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
