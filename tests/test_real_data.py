"""The main job on real data, as long as it takes: what `wellposed fit` must reach with its defaults."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits


def fit(folder: Path, *arguments: str) -> dict:
    """The result of the command in a process of its own, as a user runs it."""
    command = [sys.executable, "-m", "wellposed", "fit", *arguments, "--out", str(folder / "run"), "--quiet"]
    subprocess.run(command, check=True)
    return json.loads((folder / "run" / "result.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_digits(tmp_path: Path, seed: str) -> None:
    # 359 test rows: the asked 0.975 is for seed 0; another split may miss it by its own chance, two rows here.
    result = fit(tmp_path, "digits", "--seed", seed)
    assert result["metrics"]["test"]["accuracy"] >= (0.975 if seed == "0" else 0.969)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "target", "metric", "least"),
    [
        ("adult.csv.gz", "income", "accuracy", 0.85),
        ("letter.csv.gz", "letter", "accuracy", 0.95),
        ("sick.csv.gz", "diagnosis", "accuracy", 0.95),
        ("soybean.csv", "disease", "accuracy", 0.88),
        ("abalone.csv", "rings", "r2", 0.5),
        ("auto_imports.csv", "price", "r2", 0.75),
        ("auto_mpg.csv", "mpg", "r2", 0.8),
    ],
)
def test_tables(shared_data: Path, tmp_path: Path, table: str, target: str, metric: str, least: float) -> None:
    result = fit(tmp_path, str(shared_data / "tabular" / table), "--target", target)
    assert result["metrics"]["test"][metric] >= least


@pytest.mark.slow
def test_300_images_are_enough_for_four_in_five_of_mnists_test_images(shared_data: Path, tmp_path: Path) -> None:
    result = fit(tmp_path, str(shared_data / "mnist"), "--limit", "300")
    assert result["split"]["test"] == 10_000
    assert result["metrics"]["test"]["accuracy"] >= 0.80


@pytest.mark.slow
def test_the_book_network_overfits_300_images_as_it_is_known_to(shared_data: Path, tmp_path: Path) -> None:
    """About 0.75 in the book, which trains on all 300; here a fifth of them only watches."""
    result = fit(tmp_path, str(shared_data / "mnist"), "--limit", "300", "--recipe", "book", "--members", "8")
    alone = result["members"]["accuracy"]["test"]
    assert result["metrics"]["train"]["accuracy"] == 1.0
    assert 0.66 <= sum(alone) / len(alone) <= 0.79


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1"])
def test_spam_is_told_from_its_words(shared_data: Path, tmp_path: Path, seed: str) -> None:
    result = fit(tmp_path, str(shared_data / "text" / "sms_spam.tsv"), "--text", "message", "--seed", seed)
    assert result["metrics"]["test"]["accuracy"] >= 0.98
    assert result["seconds"] < 300


@pytest.mark.slow
def test_movements_are_told_from_their_sequences(shared_data: Path, tmp_path: Path) -> None:
    result = fit(tmp_path, str(shared_data / "sequence" / "indoor_movement.csv.gz"))
    assert result["split"] == {"train": 201, "validation": 50, "test": 63}
    assert result["metrics"]["test"]["accuracy"] >= 0.85  # of 63 sequences; three seeds gave 0.92 to 0.98
    assert result["seconds"] < 300


@pytest.mark.slow
def test_a_folder_of_pictures(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pixels, labels = load_digits(return_X_y=True)
    for i, (row, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = tmp_path / "digits" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray((row.reshape(8, 8) * 255 / 16).astype(np.uint8)).save(folder / f"{i:04}.png")
    result = fit(tmp_path, str(tmp_path / "digits"))
    assert result["data"]["kind"] == "images" and result["metrics"]["test"]["accuracy"] >= 0.975
    assert result["seconds"] < 300
