from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets

from wellposed.errors import BadInput
from wellposed.inputs.builtin import TABLES, builtin_folder, builtin_table, fetch_images


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_scikit_learn(name: str) -> None:
    frame, _ = builtin_table(name)
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    assert frame.columns.tolist() == [*bunch.feature_names, "target"]
    np.testing.assert_array_equal(frame.to_numpy(), np.column_stack([bunch.data, bunch.target]))


def test_what_class_labels_mean_is_told() -> None:
    assert builtin_table("iris")[1] == ("The classes of iris are 0 setosa, 1 versicolor, 2 virginica.",)
    assert builtin_table("digits")[1] == ()


def test_the_folder_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WELLPOSED_DATA", raising=False)
    assert builtin_folder("mnist") is None
    monkeypatch.setenv("WELLPOSED_DATA", str(tmp_path))
    assert builtin_folder("mnist") is None
    (tmp_path / "mnist").mkdir()
    assert builtin_folder("mnist") == tmp_path / "mnist"


def test_no_network_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*args: object, **kwargs: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(BadInput, match=r"mnist must be fetched from OpenML. Got URLError: .*no route.*WELLPOSED_DATA"):
        fetch_images("mnist")


def test_pixels_and_labels_of_openml(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(2 * 784).reshape(2, 784) % 256

    def fetch(name: str, **kwargs: object) -> SimpleNamespace:
        return SimpleNamespace(data=pixels.astype(float), target=np.array(["7", "0"], dtype=object))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    images, labels = fetch_images("fashion_mnist")
    assert (images.dtype.name, images.shape, labels.tolist()) == ("uint8", (2, 28, 28), [7, 0])
    np.testing.assert_array_equal(images.reshape(2, 784), pixels)
