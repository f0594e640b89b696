"""Lets the tests here import the table of cases and the stage beside them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
