"""The program: quick to help, quiet where nobody listens, and an exit code for each way to end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_help_is_quick_and_needs_no_torch() -> None:
    code = "import sys, wellposed.cli; sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m wellposed recipe list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in done.stderr


def test_a_flag_that_does_not_exist_is_two_as_well(run) -> None:
    assert run("fit", "iris", "--member", "3").code == 2


ENDS = """
import signal, sys
from wellposed.cli.app import app, main
from wellposed.errors import BadInput

@app.command()
def end() -> None:
    {how}

sys.argv = ["wellposed", "end"]
main()
"""


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("signal.raise_signal(signal.SIGINT)", 130, ""),
        ("signal.raise_signal(signal.SIGTERM)", -15, ""),
        ('raise BadInput("[/b] must be [bold]. Got none.")', 2, "wellposed: [/b] must be [bold]. Got none.\n"),
        ("raise BrokenPipeError", 0, ""),
        ('raise RuntimeError("our fault")', 1, "Traceback"),
    ],
)
def test_each_end_has_its_code(how: str, code: int, words: str) -> None:
    done = subprocess.run([sys.executable, "-c", ENDS.format(how=how)], capture_output=True, text=True)
    assert done.returncode == code and done.stdout == ""
    assert done.stderr == words or (words and words in done.stderr and code == 1)
