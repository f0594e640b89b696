"""Small recipes, and the program as a process of its own."""

import subprocess
import sys
from pathlib import Path

SMALL = """
epochs = 60
batch_size = 16

[net]
kind = "MLP"
widths = [16]

[[technique]]
kind = "Standardize"

[[technique]]
kind = "BatchNorm"

[[technique]]
kind = "Patience"
epochs = 15
"""
SHORT = """
epochs = 9
batch_size = 32

[net]
kind = "MLP"
widths = [8]

[[technique]]
kind = "Standardize"

[[technique]]
kind = "Dropout"
"""
"""What a search varies in no time."""


class Outcome:
    """What one command printed and how it ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def refused(self, words: str) -> bool:
        """Whether it ended with one sentence on standard error, and these words in it."""
        one = len(self.err.strip().splitlines()) == 1
        return self.code == 2 and words in self.err and self.out == "" and one and "Traceback" not in self.err


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    """The program as a process in a folder."""
    command = [sys.executable, "-m", "wellposed", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """The first line of progress with these words."""
    if process.stderr is not None:
        for line in process.stderr:
            if words in line:
                return line
    process.kill()
    raise RuntimeError(f"The process must say {words!r}. Got nothing of the kind.")
