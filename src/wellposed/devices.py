"""Where networks train."""

import torch

from wellposed.checks import check_choice, refusal


def find_device(name: str, *, what: str = "device") -> str:
    """The device of this name; "auto" is a GPU where there is one.

    >>> find_device("cpu")
    'cpu'

    Args:
        name: "auto", "cpu" or "cuda".
        what: What the caller calls it, for the refusal.
    """
    check_choice(what, name, ("auto", "cpu", "cuda"))
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise refusal(what, "name a device that PyTorch can use", name, "There is no GPU: give cpu.")
    return ("cuda" if there else "cpu") if name == "auto" else name
