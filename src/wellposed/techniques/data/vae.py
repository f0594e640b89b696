r"""Rows from a conditional variational autoencoder: a small network that learns to draw images of each class.

$$\mathcal L = -\mathrm E_{q(z \mid x, y)} \log p(x \mid z, y) + \mathrm{KL}(q(z \mid x, y)\,\|\,\mathcal N(0, I))$$

and then $x' = \mathrm E\,p(\cdot \mid z, y)$ with $z \sim \mathcal N(0, I)$.

Encoder and decoder are perceptrons of one hidden layer; pixels count as shares of their channel's range, so what is
drawn stays within the range of the data. Trained on training rows alone. Good for small images with little variety
(digits); what it draws is blurred, so bad where texture matters. Conditions are classes, soft labels, or numbers.

Source: Kingma & Welling, Auto-encoding variational Bayes, 2014, https://arxiv.org/abs/1312.6114, equation 10 and
appendices B and C; conditions: Sohn, Lee & Yan, Learning structured output representation using deep conditional
generative models, 2015.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wellposed import random
from wellposed.checks import check_count
from wellposed.inputs.dataset import Rows
from wellposed.random import make_key
from wellposed.techniques.data.growth import check_growth, group_rows, joined, numbers_of
from wellposed.techniques.data.min_max import measure_range
from wellposed.techniques.places import GrowthTechnique
from wellposed.techniques.technique import Technique

RATE = 1e-3


def _batch_size(n: int) -> int:
    """128 rows, or fewer where there would be under 40 steps an epoch."""
    return min(128, max(16, n // 40))


class Autoencoder(nn.Module):
    """A conditional variational autoencoder of rows in [0, 1].

    Args:
        inputs: Numbers of a row.
        conditions: Numbers that say what is asked for.
        latent: Numbers that a row is coded in.
        width: Hidden units of encoder and decoder.
    """

    def __init__(self, inputs: int, conditions: int, *, latent: int, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs + conditions, width), nn.ReLU(), nn.Linear(width, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent + conditions, width), nn.ReLU(), nn.Linear(width, inputs))

    def encode(self, x: Float[Tensor, "B D"], y: Float[Tensor, "B C"]) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of each row's code."""
        mean, log_variance = self.encoder(torch.cat([x, y], dim=1)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Float[Tensor, "B L"], y: Float[Tensor, "B C"]) -> Float[Tensor, "B D"]:
        """Logits of a row's numbers."""
        logits: Tensor = self.decoder(torch.cat([z, y], dim=1))
        return logits


def negative_bound(
    network: Autoencoder, x: Float[Tensor, "B D"], y: Float[Tensor, "B C"], noise: Float[Tensor, "B L"]
) -> Float[Tensor, " B"]:
    """What training makes small: an upper bound of each row's negative log-likelihood, by one draw. Usable alone."""
    mean, log_variance = network.encode(x, y)
    logits = network.decode(mean + (log_variance / 2).exp() * noise, y)
    missed = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return missed + (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2


def train_autoencoder(
    x: Float[Tensor, "N D"],
    y: Float[Tensor, "N C"],
    *,
    weight: Float[Tensor, " N"] | None = None,
    latent: int = 8,
    width: int = 256,
    epochs: int = 40,
    seed: int = 0,
) -> Autoencoder:
    """An autoencoder trained on rows in [0, 1] by Adam, in single precision. Usable alone."""
    x, y = x.float(), y.float()
    share = torch.ones_like(x[:, 0]) if weight is None else weight.float() / weight.float().mean()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = Autoencoder(x.shape[1], y.shape[1], latent=latent, width=width).to(x.device)
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
        seeds, step = torch.tensor(seed, device=x.device), 0
        for epoch in range(epochs):
            order = random.permutation(make_key(seeds, step=epoch, place="VAEGrowth order"), len(x))
            for rows in torch.split(order, _batch_size(len(x))):
                noise = random.normal(make_key(seeds, step=step, place="VAEGrowth noise"), (len(rows), latent))
                optimizer.zero_grad()
                loss = (negative_bound(network, x[rows], y[rows], noise) * share[rows]).mean()
                torch.autograd.backward(loss)
                optimizer.step()
                step += 1
    return network.requires_grad_(False)


@dataclass(frozen=True, kw_only=True)
class VAEGrowth(GrowthTechnique):
    """Add rows drawn by a conditional variational autoencoder.

    Args:
        share: New rows, as a share of the old.
        latent: Numbers that a row is coded in.
        width: Hidden units of encoder and decoder.
        epochs: Passes of its training over the rows.
        seed: Other numbers start, train and draw otherwise.
    """

    share: float = 1.0
    latent: int = 8
    width: int = 256
    epochs: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        Technique.__post_init__(self)
        check_growth("VAEGrowth", self.share, self.seed)
        for name in ("latent", "width", "epochs"):
            check_count(f"VAEGrowth.{name}", getattr(self, name))

    def grow(self, rows: Rows) -> Rows:
        numbers_of(rows, "VAEGrowth")
        groups = group_rows(rows, self.share)
        kept = rows.take(torch.cat([group.places for group in groups]).sort().values)
        low, high = measure_range(kept.x)
        extent = torch.where(high > low, high - low, 1)
        soft = rows.y.is_floating_point()
        classes = 0 if soft else int(rows.y.max()) + 1
        network = train_autoencoder(
            ((kept.x - low) / extent).flatten(1),
            (kept.y if soft else F.one_hot(kept.y, classes)).float(),
            weight=kept.weight,
            latent=self.latent,
            width=self.width,
            epochs=self.epochs,
            seed=self.seed,
        )
        seed = torch.tensor(self.seed, device=rows.x.device)
        grown = []
        for i, group in enumerate(groups):
            drawn = random.choice(make_key(seed, step=i, place="VAEGrowth rows"), len(group.places), group.new)
            old = rows.take(group.places[drawn])
            z = random.normal(make_key(seed, step=i, place="VAEGrowth codes"), (group.new, self.latent))
            y = old.y if soft else F.one_hot(old.y, classes)
            share = network.decode(z, y.float()).sigmoid().view(old.x.shape).to(rows.x.dtype)
            x = torch.minimum(low + share * extent, high)
            grown.append(Rows(x, old.codes, old.y, old.weight))
        return joined(rows, grown)
