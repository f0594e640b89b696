"""Charts of comparisons and searches: plain frames in, Vega-Lite through Altair out."""

from wellposed.charts.comparison import critical_difference, forest
from wellposed.charts.search import (
    best_so_far,
    importance_bars,
    parallel_coordinates,
    ranges,
    rewards,
    strength_scatter,
)

__all__ = [
    "forest",
    "critical_difference",
    "best_so_far",
    "parallel_coordinates",
    "strength_scatter",
    "importance_bars",
    "ranges",
    "rewards",
]
