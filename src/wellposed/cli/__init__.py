"""The command line: parses, calls, prints. Heavy modules are imported when a command needs them."""

from wellposed.cli import answers, comparisons, fit, recipes
from wellposed.cli.app import main

__all__ = ["answers", "comparisons", "fit", "main", "recipes"]
