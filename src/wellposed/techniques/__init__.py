"""Every technique by name, in the order of the places. A new one is a file, its lines here and a contract case."""

from wellposed.techniques.average.ema import EMA
from wellposed.techniques.batch.input_noise import InputNoise
from wellposed.techniques.batch.label_smoothing import LabelSmoothing
from wellposed.techniques.data.bootstrap import Bootstrap
from wellposed.techniques.data.robust import Robust
from wellposed.techniques.data.standardize import Standardize
from wellposed.techniques.end.patience import Patience
from wellposed.techniques.gradient.clip_norm import ClipNorm
from wellposed.techniques.layers.batch_norm import BatchNorm
from wellposed.techniques.layers.dropout import Dropout
from wellposed.techniques.layers.layer_norm import LayerNorm
from wellposed.techniques.loss.l1 import L1
from wellposed.techniques.loss.l2 import L2
from wellposed.techniques.prediction.vote import Vote
from wellposed.techniques.technique import Technique
from wellposed.techniques.update.max_norm import MaxNorm
from wellposed.techniques.update.weight_decay import WeightDecay
from wellposed.techniques.weights.constant import Constant
from wellposed.techniques.weights.gaussian import Gaussian
from wellposed.techniques.weights.he import He
from wellposed.techniques.weights.xavier import Xavier

__all__ = [
    "Standardize",
    "Robust",
    "Bootstrap",
    "He",
    "Xavier",
    "Gaussian",
    "Constant",
    "LabelSmoothing",
    "InputNoise",
    "BatchNorm",
    "LayerNorm",
    "Dropout",
    "L1",
    "L2",
    "ClipNorm",
    "WeightDecay",
    "MaxNorm",
    "EMA",
    "Patience",
    "Vote",
    "TECHNIQUES",
]

ALL: tuple[type[Technique], ...] = (
    *(Standardize, Robust, Bootstrap),
    *(He, Xavier, Gaussian, Constant),
    *(LabelSmoothing, InputNoise),
    *(BatchNorm, LayerNorm, Dropout),
    *(L1, L2),
    *(ClipNorm,),
    *(WeightDecay, MaxNorm),
    *(EMA,),
    *(Patience,),
    *(Vote,),
)

TECHNIQUES: dict[str, type[Technique]] = {kind.__name__: kind for kind in ALL}
"""What the `kind` of a technique in a recipe file may be."""
