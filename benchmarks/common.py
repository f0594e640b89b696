"""What every benchmark shares: interleaved timing with medians, the machine, and a JSON file of figures."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("wellposed", "torch", "numpy", "scikit-learn", "skorch", "lightning")


def interleave(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run all contestants in turn, `rounds` times, after one round that is not counted.

    A contestant returns the seconds of one unit of its work, measured by itself.
    """
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            seconds = run()
            if number:
                found[name].append(seconds)
    return found


def median(values: list[float]) -> float:
    """The figure to quote."""
    return statistics.median(values)


def matrix_rate(threads: int) -> float:
    """Floating-point operations a second of a float32 matrix product of 1024, the machine's own."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a = torch.randn(1024, 1024)
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return 2 * 1024**3 / median(seconds)


def peak_memory(arguments: list[str]) -> float:
    """Mebibytes of resident memory that this script needs at most when it is run with these arguments."""
    output = subprocess.run(
        [sys.executable, sys.argv[0], *arguments], capture_output=True, text=True, check=True
    ).stdout
    return float(output.split()[-1])


def own_peak_memory() -> float:
    """Mebibytes of resident memory that this process has needed at most (`getrusage` would begin with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    import torch

    def installed(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {
        "commit": commit or None,
        "date": time.strftime("%Y-%m-%d"),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: installed(name) for name in PACKAGES},
    }


def save(name: str, figures: dict[str, Any]) -> Path:
    """Write the figures and the machine beside earlier ones."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), **figures}, indent=1) + "\n")
    return path
