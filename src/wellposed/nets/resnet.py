"""A small residual network for images.

A strided 5 x 5 convolution halves the image, because blocks at full size would cost more than all the rest; then stages
of residual blocks, each stage but the first at half the size of the one before; then the mean over all positions.

Source: He et al., Deep Residual Learning for Image Recognition, 2015, https://arxiv.org/abs/1512.03385, section 3.3
and figure 2 (block), table 1 (stages), option B for shortcuts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from wellposed.checks import check_count, refusal
from wellposed.nets.cnn import refuse_other_than_images
from wellposed.nets.mlp import Residual
from wellposed.nets.net import (
    Activation,
    Inputs,
    Net,
    beside,
    branch,
    entering,
    hidden,
    leaving,
    refuse_hidden,
    reweight,
)
from wellposed.techniques.places import InnerTechnique
from wellposed.techniques.technique import Technique


@dataclass(frozen=True, kw_only=True)
class ResNet(Net):
    """A small residual network for images.

    Techniques for channels act in its convolutions; those for units on the means behind them, as after an activation,
    and in dense hidden layers.

    Args:
        channels: Of each stage.
        blocks: Residual blocks of a stage, of two convolutions each.
        widths: Units of each dense hidden layer behind the mean over positions.
        activation: Of the hidden layers.
    """

    channels: tuple[int, ...] = (16, 32)
    blocks: int = 1
    widths: tuple[int, ...] = ()
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        refuse_hidden("ResNet", {"channels": self.channels, "widths": self.widths}, self.activation)
        Technique.__post_init__(self)
        check_count("ResNet.blocks", self.blocks)
        if not self.channels:
            raise refusal("ResNet.channels", "name at least one stage", self.channels)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network for images of one size."""
        refuse_other_than_images("ResNet", inputs)
        size, (height, width) = self.channels[0], _halved(inputs.shape[1], inputs.shape[2])
        stem = nn.Conv2d(inputs.shape[0], size, 5, stride=2, padding=2)
        parts = hidden(stem, (size, height, width), self.activation, layers)
        strides = [
            2 if stage and not block else 1 for stage in range(len(self.channels)) for block in range(self.blocks)
        ]
        for i, stride in enumerate(strides):
            n = self.channels[i // self.blocks]
            height, width = _halved(height, width) if stride == 2 else (height, width)
            shape = (n, height, width)
            make = partial(self._convolutions, size, shape, stride, layers)
            shortcut = None
            if stride == 2 or n != size:
                shortcut = nn.Sequential(*entering(nn.Conv2d(size, n, 1, stride=stride), shape, layers))
            added = branch(make, layers, (i + 1) / len(strides))
            parts += [Residual(added, shortcut), *leaving(shape, self.activation, layers)]
            size = n
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *beside("after", (size,), layers)]
        for units in self.widths:
            parts += hidden(nn.Linear(size, units), (units,), self.activation, layers)
            size = units
        return nn.Sequential(*parts, reweight(nn.Linear(size, outputs), layers))

    def _convolutions(
        self, size: int, shape: tuple[int, int, int], stride: int, layers: Sequence[InnerTechnique]
    ) -> list[nn.Module]:
        """A block's branch, which leads to this shape."""
        return [
            *hidden(nn.Conv2d(size, shape[0], 3, stride=stride, padding=1), shape, self.activation, layers),
            *entering(nn.Conv2d(shape[0], shape[0], 3, padding=1), shape, layers),
        ]


def _halved(height: int, width: int) -> tuple[int, int]:
    """The size behind a stride of two."""
    return (height + 1) // 2, (width + 1) // 2
