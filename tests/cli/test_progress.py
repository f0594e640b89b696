"""Progress in words, a line now and then where nobody looks, and signals that are noted once."""

import io
import math
import signal

import pytest
from rich.console import Console

from wellposed.cli.progress import UNLIMITED, flag_on_signals, leaving, search_words, show, training_words
from wellposed.population.population import Progress
from wellposed.study.searching import Found


def found(**other: float) -> Found:
    known = {"ended": 3, "trials": 8, "generation": 1, "living": 5, "epoch": 2.5, "best": 0.25, "seconds": 1.0}
    return Found(**known | other)  # type: ignore[arg-type]


def test_a_search_is_told_by_what_has_ended() -> None:
    assert search_words(found()) == "search: 3/8 trials · best score 0.2500 · 5 training, epoch 2"
    assert search_words(found(best=math.inf, living=0)) == "search: 3/8 trials · none to its end yet"
    assert search_words(found(trials=UNLIMITED, living=0)) == "search: 3 trials · best score 0.2500"


def test_a_training_is_told_by_its_epoch_and_what_is_left() -> None:
    progress = Progress(epoch=2.5, epochs=10, living=3, best_score=0.5, seconds=5.0)
    assert training_words(progress) == "epoch 2/10 · 3 training · best validation loss 0.5000 · at most 15 s left"
    assert training_words(progress, 1, 3).startswith("bag 2 of 3 · epoch 2/10 · ")
    begun = Progress(epoch=0.0, epochs=10, living=3, best_score=math.inf, seconds=0.0)
    assert training_words(begun) == "epoch 0/10 · 3 training · not evaluated · at most 0 s left"


def test_without_a_terminal_a_line_comes_every_five_seconds() -> None:
    written = io.StringIO()
    with show(Console(file=written)) as shown:
        for second in range(13):
            shown(f"second {second} [/b]", second / 13, float(second))
    assert written.getvalue().splitlines() == ["second 0 [/b]", "second 5 [/b]", "second 10 [/b]"]


def test_a_terminal_shows_a_bar() -> None:
    written = io.StringIO()
    with show(Console(file=written, force_terminal=True, width=80)) as shown:
        shown("epoch 3 of a trial", 0.5, 1.0)
    assert "epoch 3 of a trial" in written.getvalue()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted_and_the_second_acts(number: int, code: int) -> None:
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(KeyboardInterrupt), flag_on_signals() as signals:
        signal.raise_signal(number)
        assert signals == [number] and leaving(signals).exit_code == code
        assert {n: signal.getsignal(n) for n in before} == before  # whichever comes second
        signal.raise_signal(signal.SIGINT)
    assert {n: signal.getsignal(n) for n in before} == before


def test_handlers_are_put_back_where_no_signal_came() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with flag_on_signals() as signals:
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signals == [] and signal.getsignal(signal.SIGTERM) is before
