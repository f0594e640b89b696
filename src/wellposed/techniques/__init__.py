"""Every technique by name, in the order of the places. A new one is a file, its lines here and a contract case."""

from wellposed.techniques.average.ema import EMA
from wellposed.techniques.average.lookahead import Lookahead
from wellposed.techniques.average.snapshots import SnapshotEnsemble
from wellposed.techniques.average.swa import SWA
from wellposed.techniques.batch.auto_augment import AutoAugment
from wellposed.techniques.batch.back_translation import BackTranslation
from wellposed.techniques.batch.blur import Blur
from wellposed.techniques.batch.brightness import Brightness
from wellposed.techniques.batch.contrast import Contrast
from wellposed.techniques.batch.crop import ShiftCrop
from wellposed.techniques.batch.cutmix import CutMix
from wellposed.techniques.batch.cutout import Cutout
from wellposed.techniques.batch.elastic import Elastic
from wellposed.techniques.batch.feature_masking import FeatureMasking
from wellposed.techniques.batch.flip import Flip
from wellposed.techniques.batch.heavier_augmentation import HeavierAugmentation
from wellposed.techniques.batch.input_noise import InputNoise
from wellposed.techniques.batch.jitter import Jitter
from wellposed.techniques.batch.label_noise import LabelNoise
from wellposed.techniques.batch.label_smoothing import LabelSmoothing
from wellposed.techniques.batch.light_augmentation import LightAugmentation
from wellposed.techniques.batch.mixup import Mixup
from wellposed.techniques.batch.policy import Policy
from wellposed.techniques.batch.rand_augment import RandAugment
from wellposed.techniques.batch.random_deletion import RandomDeletion
from wellposed.techniques.batch.random_insertion import RandomInsertion
from wellposed.techniques.batch.random_swap import RandomSwap
from wellposed.techniques.batch.rotation import Rotation
from wellposed.techniques.batch.scaling import Scaling
from wellposed.techniques.batch.segment_permutation import SegmentPermutation
from wellposed.techniques.batch.sentence_shuffle import SentenceShuffle
from wellposed.techniques.batch.shear import Shear
from wellposed.techniques.batch.swap_noise import SwapNoise
from wellposed.techniques.batch.synonym_replacement import SynonymReplacement
from wellposed.techniques.batch.time_warp import TimeWarp
from wellposed.techniques.batch.trivial_augment import TrivialAugment
from wellposed.techniques.batch.window_crop import WindowCrop
from wellposed.techniques.batch.zoom import Zoom
from wellposed.techniques.data.bootstrap import Bootstrap
from wellposed.techniques.data.generate_density import DensityGrowth
from wellposed.techniques.data.generate_mixture import MixtureGrowth
from wellposed.techniques.data.min_max import MinMax
from wellposed.techniques.data.pca_whitening import PCAWhitening
from wellposed.techniques.data.quantile import Quantile
from wellposed.techniques.data.robust import Robust
from wellposed.techniques.data.smote import SMOTE
from wellposed.techniques.data.standardize import Standardize
from wellposed.techniques.data.vae import VAEGrowth
from wellposed.techniques.data.zca_whitening import ZCAWhitening
from wellposed.techniques.end.evidence import Evidence
from wellposed.techniques.end.generalization_loss import GeneralizationLoss
from wellposed.techniques.end.patience import Patience
from wellposed.techniques.end.progress_quotient import ProgressQuotient
from wellposed.techniques.end.successive_increases import SuccessiveIncreases
from wellposed.techniques.end.time_budget import TimeBudget
from wellposed.techniques.gradient.adaptive_clip import AdaptiveClip
from wellposed.techniques.gradient.clip_norm import ClipNorm
from wellposed.techniques.gradient.clip_value import ClipValue
from wellposed.techniques.gradient.gradient_noise import GradientNoise
from wellposed.techniques.gradient.sam import SAM
from wellposed.techniques.gradient.weight_noise import WeightNoise
from wellposed.techniques.layers.alpha_dropout import AlphaDropout
from wellposed.techniques.layers.batch_norm import BatchNorm
from wellposed.techniques.layers.batch_renorm import BatchRenorm
from wellposed.techniques.layers.drop_block import DropBlock
from wellposed.techniques.layers.drop_connect import DropConnect
from wellposed.techniques.layers.dropout import Dropout
from wellposed.techniques.layers.feature_noise import FeatureNoise
from wellposed.techniques.layers.gaussian_dropout import GaussianDropout
from wellposed.techniques.layers.ghost_batch_norm import GhostBatchNorm
from wellposed.techniques.layers.group_norm import GroupNorm
from wellposed.techniques.layers.instance_norm import InstanceNorm
from wellposed.techniques.layers.layer_norm import LayerNorm
from wellposed.techniques.layers.rms_norm import RMSNorm
from wellposed.techniques.layers.shake_drop import ShakeDrop
from wellposed.techniques.layers.shake_shake import ShakeShake
from wellposed.techniques.layers.spatial_dropout import SpatialDropout
from wellposed.techniques.layers.spectral_norm import SpectralNorm
from wellposed.techniques.layers.stochastic_depth import StochasticDepth
from wellposed.techniques.layers.weight_norm import WeightNorm
from wellposed.techniques.loss.adversarial import AdversarialTraining
from wellposed.techniques.loss.confidence import ConfidencePenalty
from wellposed.techniques.loss.elastic_net import ElasticNet
from wellposed.techniques.loss.group_lasso import GroupLasso
from wellposed.techniques.loss.jacobian import JacobianPenalty
from wellposed.techniques.loss.l1 import L1
from wellposed.techniques.loss.l2 import L2
from wellposed.techniques.loss.r_drop import RDrop
from wellposed.techniques.prediction.greedy_selection import GreedySelection
from wellposed.techniques.prediction.monte_carlo_dropout import MonteCarloDropout
from wellposed.techniques.prediction.temperature_scaling import TemperatureScaling
from wellposed.techniques.prediction.vote import Vote
from wellposed.techniques.technique import Technique
from wellposed.techniques.update.max_norm import MaxNorm
from wellposed.techniques.update.proximal_l1 import ProximalL1
from wellposed.techniques.update.unit_norm import UnitNorm
from wellposed.techniques.update.weight_decay import WeightDecay
from wellposed.techniques.weights.class_prior import ClassPrior
from wellposed.techniques.weights.constant import Constant
from wellposed.techniques.weights.delta_orthogonal import DeltaOrthogonal
from wellposed.techniques.weights.fixup import Fixup
from wellposed.techniques.weights.gaussian import Gaussian
from wellposed.techniques.weights.he import He
from wellposed.techniques.weights.lecun import LeCun
from wellposed.techniques.weights.lsuv import LSUV
from wellposed.techniques.weights.orthogonal import Orthogonal
from wellposed.techniques.weights.truncated_gaussian import TruncatedGaussian
from wellposed.techniques.weights.uniform import Uniform
from wellposed.techniques.weights.xavier import Xavier

__all__ = [
    "Standardize",
    "Robust",
    "Bootstrap",
    "MinMax",
    "Quantile",
    "PCAWhitening",
    "ZCAWhitening",
    "MixtureGrowth",
    "DensityGrowth",
    "SMOTE",
    "VAEGrowth",
    "He",
    "Xavier",
    "Gaussian",
    "Constant",
    "TruncatedGaussian",
    "Uniform",
    "LeCun",
    "Orthogonal",
    "DeltaOrthogonal",
    "LSUV",
    "Fixup",
    "ClassPrior",
    "LabelSmoothing",
    "InputNoise",
    "Mixup",
    "CutMix",
    "LabelNoise",
    "SwapNoise",
    "FeatureMasking",
    "SynonymReplacement",
    "RandomInsertion",
    "RandomSwap",
    "RandomDeletion",
    "SentenceShuffle",
    "BackTranslation",
    "Jitter",
    "Scaling",
    "TimeWarp",
    "WindowCrop",
    "SegmentPermutation",
    "Flip",
    "ShiftCrop",
    "Rotation",
    "Shear",
    "Zoom",
    "Brightness",
    "Contrast",
    "Blur",
    "Elastic",
    "Cutout",
    "LightAugmentation",
    "HeavierAugmentation",
    "RandAugment",
    "TrivialAugment",
    "AutoAugment",
    "Policy",
    "BatchNorm",
    "LayerNorm",
    "BatchRenorm",
    "GhostBatchNorm",
    "GroupNorm",
    "InstanceNorm",
    "RMSNorm",
    "WeightNorm",
    "SpectralNorm",
    "Dropout",
    "GaussianDropout",
    "AlphaDropout",
    "SpatialDropout",
    "DropBlock",
    "DropConnect",
    "StochasticDepth",
    "ShakeDrop",
    "ShakeShake",
    "FeatureNoise",
    "L1",
    "L2",
    "ElasticNet",
    "GroupLasso",
    "JacobianPenalty",
    "ConfidencePenalty",
    "RDrop",
    "AdversarialTraining",
    "ClipNorm",
    "ClipValue",
    "AdaptiveClip",
    "GradientNoise",
    "WeightNoise",
    "SAM",
    "WeightDecay",
    "MaxNorm",
    "UnitNorm",
    "ProximalL1",
    "EMA",
    "SWA",
    "Lookahead",
    "SnapshotEnsemble",
    "Patience",
    "GeneralizationLoss",
    "ProgressQuotient",
    "SuccessiveIncreases",
    "TimeBudget",
    "Evidence",
    "Vote",
    "GreedySelection",
    "MonteCarloDropout",
    "TemperatureScaling",
    "TECHNIQUES",
]

ALL: tuple[type[Technique], ...] = (
    *(Standardize, Robust, MinMax, Quantile, PCAWhitening, ZCAWhitening),
    *(Bootstrap, MixtureGrowth, DensityGrowth, SMOTE, VAEGrowth),
    *(He, Xavier, Gaussian, Constant, TruncatedGaussian, Uniform, LeCun, Orthogonal, DeltaOrthogonal),
    *(LSUV, Fixup, ClassPrior),
    *(LabelSmoothing, InputNoise),
    *(Mixup, CutMix, LabelNoise, SwapNoise, FeatureMasking),
    *(SynonymReplacement, RandomInsertion, RandomSwap, RandomDeletion, SentenceShuffle, BackTranslation),
    *(Jitter, Scaling, TimeWarp, WindowCrop, SegmentPermutation),
    *(Flip, ShiftCrop, Rotation, Shear, Zoom, Brightness, Contrast, Blur, Elastic, Cutout),
    *(LightAugmentation, HeavierAugmentation, RandAugment, TrivialAugment, AutoAugment, Policy),
    *(BatchNorm, LayerNorm, BatchRenorm, GhostBatchNorm, GroupNorm, InstanceNorm, RMSNorm, WeightNorm, SpectralNorm),
    *(Dropout, GaussianDropout, AlphaDropout, SpatialDropout, DropBlock, DropConnect, FeatureNoise),
    *(StochasticDepth, ShakeDrop, ShakeShake),
    *(L1, L2, ElasticNet, GroupLasso, JacobianPenalty, ConfidencePenalty, RDrop, AdversarialTraining),
    *(ClipNorm, ClipValue, AdaptiveClip, GradientNoise, WeightNoise, SAM),
    *(WeightDecay, MaxNorm, UnitNorm, ProximalL1),
    *(EMA, SWA, Lookahead, SnapshotEnsemble),
    *(Patience, GeneralizationLoss, ProgressQuotient, SuccessiveIncreases, TimeBudget, Evidence),
    *(Vote, GreedySelection, MonteCarloDropout, TemperatureScaling),
)

TECHNIQUES: dict[str, type[Technique]] = {kind.__name__: kind for kind in ALL}
"""What the `kind` of a technique in a recipe file may be."""
