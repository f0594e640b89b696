"""Two branches side by side, mixed into one by what is made of their difference."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from wellposed.nets.stacking import Container, Forward, stack_forward
from wellposed.techniques.stacked import TwinBranches


class Doubled(Container, TwinBranches):
    """Two branches of one form, with weights of their own, of which a layer decides the shares.

    The layer gets the first branch less the second; what it makes of that is added to the second. So a layer that
    multiplies by a share mixes the two.
    """

    def __init__(self, one: nn.Module, other: nn.Module, share: nn.Module) -> None:
        super().__init__()
        self.one = one
        self.other = other
        self.share = share

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """The mixture."""
        one: Tensor = self.one(x)
        other: Tensor = self.other(x)
        share: Tensor = self.share(one - other)
        return other + share

    def join(self, prefix: str) -> Forward:
        """The same over stacked tensors."""
        one, other, share = (stack_forward(child, f"{prefix}{name}.") for name, child in self.named_children())

        def forward(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
            beside = other(tensors, x)
            return beside + share(tensors, one(tensors, x) - beside)

        return forward
