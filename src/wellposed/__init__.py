"""Initialization, normalization and regularization for PyTorch: diagnose, prescribe and prove.

Public names are imported when they are first asked for, so that `import wellposed` costs nothing and the command line
answers `--help` before PyTorch is there.

>>> import wellposed
>>> wellposed.Recipe(epochs=3).epochs
3
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wellposed.ablation import ablate
    from wellposed.cocktails import cocktail
    from wellposed.comparison import compare
    from wellposed.errors import BadInput
    from wellposed.estimators import WellposedClassifier, WellposedRegressor
    from wellposed.inputs.load import load
    from wellposed.kernel_descent import KernelGradientDescent
    from wellposed.population.population import Population
    from wellposed.presets import book, plain, sound
    from wellposed.recipe import Ramp, Recipe
    from wellposed.search_space import space
    from wellposed.study.policy import search_policy
    from wellposed.study.search import search

    __version__: str

__all__ = [
    "WellposedClassifier",
    "WellposedRegressor",
    "KernelGradientDescent",
    "Recipe",
    "Ramp",
    "plain",
    "sound",
    "book",
    "cocktail",
    "Population",
    "space",
    "search",
    "search_policy",
    "compare",
    "ablate",
    "load",
    "BadInput",
    "__version__",
]

_WHERE = {
    "WellposedClassifier": "wellposed.estimators",
    "WellposedRegressor": "wellposed.estimators",
    "KernelGradientDescent": "wellposed.kernel_descent",
    "Recipe": "wellposed.recipe",
    "Ramp": "wellposed.recipe",
    "plain": "wellposed.presets",
    "sound": "wellposed.presets",
    "book": "wellposed.presets",
    "cocktail": "wellposed.cocktails",
    "Population": "wellposed.population.population",
    "space": "wellposed.search_space",
    "search": "wellposed.study.search",
    "search_policy": "wellposed.study.policy",
    "compare": "wellposed.comparison",
    "ablate": "wellposed.ablation",
    "load": "wellposed.inputs.load",
    "BadInput": "wellposed.errors",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__all__", "__doc__", "__file__", "__name__", "__path__"]


def _version() -> str:
    """The installed version; "0+unknown" where the package is used without being installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("wellposed")
    except PackageNotFoundError:
        return "0+unknown"
