"""What every test runs under: one thread, repeatable examples, and the real data sets where there are any."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported, and for processes that tests start

from collections.abc import Generator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import TypeCheckError

torch.set_num_threads(1)
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")

ROOT = Path(__file__).resolve().parents[1]
os.environ["PYTHONPATH"] = os.pathsep.join(  # processes that tests start run this checkout too
    [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
)


REFUSALS = ("refuse", "bad_input", "check_do_not_raise_errors_in_init")
"""In the names of tests that give wrong types on purpose."""


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Under `make shapes` the checker refuses wrong types before the package can: a test of refusals is then over."""
    try:
        return (yield)
    except TypeCheckError:
        if not any(word in pyfuncitem.name for word in REFUSALS):
            raise
        pytest.skip("refused by the checker of types")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: `$WELLPOSED_SHARED_DATA`, or `../shared/data` beside the repository."""
    named = os.environ.get("WELLPOSED_SHARED_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data sets: {folder} is not a folder; name one in WELLPOSED_SHARED_DATA")
    return folder
