"""The command line in this process, in an empty folder."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.helpers import SHORT, SMALL, Outcome

from wellposed import cli


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Outcome]:
    """A function of the arguments of one command; `small.toml` and `short.toml` are there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "short.toml").write_text(SHORT)

    def command(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["wellposed", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        captured = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return command
