"""A small convolutional network for images of 28 to 64 pixels.

Each convolution halves the image: the first, 5 x 5, by its stride, because pooling at full size would cost more than
all the rest; the others, 3 x 3, by max-pooling, before norm and activation (a rising activation commutes with the
maximum, and both then cost a quarter). Dense layers follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from wellposed.checks import refusal
from wellposed.nets.net import Activation, Inputs, Net, hidden, refuse_hidden, reweight
from wellposed.techniques.places import InnerTechnique


@dataclass(frozen=True, kw_only=True)
class CNN(Net):
    """A small convolutional network.

    Norms act in convolutions and dense layers, dropout of units in the dense layers alone: a convolution's units share
    their weights over all positions.

    Args:
        channels: Of each convolution.
        widths: Units of each dense hidden layer.
        activation: Of the hidden layers.
    """

    channels: tuple[int, ...] = (16, 32)
    widths: tuple[int, ...] = (64,)
    activation: Activation = "relu"

    def __post_init__(self) -> None:
        refuse_hidden("CNN", {"channels": self.channels, "widths": self.widths}, self.activation)
        if not self.channels:
            raise refusal("CNN.channels", "name at least one convolution", self.channels)

    def build(self, inputs: Inputs, outputs: int, layers: Sequence[InnerTechnique]) -> nn.Module:
        """The network for images of one size."""
        refuse_other_than_images("CNN", inputs)
        (channels, height, width), parts = inputs.shape, list[nn.Module]()
        if min(height, width) < 2 ** len(self.channels):
            must = f"be at least {2 ** len(self.channels)} pixels wide and high for {len(self.channels)} halvings"
            raise refusal("Images for this CNN", must, (height, width), "Give fewer channels, or the net MLP.")
        for n in self.channels:
            strided = nn.Conv2d(channels, n, 5, stride=2, padding=2)
            pooled = nn.Sequential(reweight(nn.Conv2d(channels, n, 3, padding=1), layers), nn.MaxPool2d(2))
            first, channels = not parts, n
            height, width = ((height + 1) // 2, (width + 1) // 2) if first else (height // 2, width // 2)
            parts += hidden(strided if first else pooled, (n, height, width), self.activation, layers)
        parts.append(nn.Flatten())
        size = channels * height * width
        for units in self.widths:
            parts += hidden(nn.Linear(size, units), (units,), self.activation, layers)
            size = units
        return nn.Sequential(*parts, reweight(nn.Linear(size, outputs), layers))


def refuse_other_than_images(net: str, inputs: Inputs) -> None:
    """Raise BadInput where the data are no images."""
    if inputs.kind == "images" and not inputs.cardinalities:
        return
    others = {"texts": "Use the net BagOfWords, Recurrent or Transformer.", "sequences": "Use the net Recurrent."}
    do = others.get(inputs.kind, "Use the net MLP for tables.")
    got = "texts" if inputs.kind == "texts" else inputs.shape
    raise refusal(f"The input of {net}", "be images (C, H, W)", got, do)
