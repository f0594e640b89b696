"""Which parameters are weights: what is penalized, decayed and constrained, while biases and norms go free."""

from fnmatch import fnmatchcase

from jaxtyping import Float
from torch import Tensor

from wellposed.checks import refusal
from wellposed.techniques.places import Tensors


def check_pattern(what: str, got: object) -> None:
    """Refuse what is no name and no pattern of names."""
    if not isinstance(got, str) or not got:
        raise refusal(what, "be a name or a pattern of names", got)


def select_weights(parameters: Tensors, where: str = "*") -> dict[str, Float[Tensor, "K out in ..."]]:
    """The weights among stacked parameters whose names match `where`, with `*` for any text.

    A weight has two axes or more for each member. A norm's scale may have that, too, but then the shift beside it
    (`bias` beside `weight`) has the same shape, and both are left out.

    >>> import torch
    >>> select_weights({"0.weight": torch.zeros(1, 4, 3), "0.bias": torch.zeros(1, 4)}).keys()
    dict_keys(['0.weight'])
    """
    return {
        name: tensor
        for name, tensor in parameters.items()
        if tensor.dim() >= 3 and fnmatchcase(name, where) and not _belongs_to_norm(name, parameters)
    }


def _belongs_to_norm(name: str, parameters: Tensors) -> bool:
    """Whether scale and shift of one shape stand side by side."""
    layer, _, own = name.rpartition(".")
    twin = {"weight": "bias", "bias": "weight"}.get(own)
    beside = parameters.get(f"{layer}.{twin}".lstrip(".")) if twin else None
    return beside is not None and beside.shape == parameters[name].shape
