"""What every test runs under: one thread, repeatable examples, and the real data sets where there are any."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for processes that tests start

from pathlib import Path

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(  # processes that tests start run this checkout too
    [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: `$WELLPOSED_SHARED_DATA`, or `../shared/data` beside the repository."""
    named = os.environ.get("WELLPOSED_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data sets: {folder} is not a folder; name one in WELLPOSED_SHARED_DATA")
    return folder
