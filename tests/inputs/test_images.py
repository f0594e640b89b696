import json

import numpy as np
import pytest
import torch

from wellposed.errors import BadInput
from wellposed.inputs.images import ImageEncoder

GRAY = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def test_grayscale_gets_a_channel() -> None:
    encoder = ImageEncoder.fit(GRAY)
    x, codes = encoder.encode(GRAY)
    assert encoder.shape == (1, 3, 4)
    assert (x.shape, x.dtype, codes.shape, codes.dtype) == ((2, 1, 3, 4), torch.float32, (2, 0), torch.int64)
    assert torch.equal(x[:, 0], torch.from_numpy(GRAY) / 255)


def test_channels_come_first() -> None:
    colour = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    x, _ = ImageEncoder.fit(colour).encode(colour, dtype=torch.float64)
    assert x[1, 2, 0, 3].item() == colour[1, 0, 3, 2] / 255
    assert x.is_contiguous()


def test_what_was_given_is_left_as_it_was() -> None:
    given = np.full((2, 2, 2), 100.0, dtype=np.float32)
    ImageEncoder.fit(given).encode(given)
    assert (given == 100).all()


@pytest.mark.parametrize(("top", "divisor"), [(1.0, 1), (200.0, 255)])
def test_floats_by_the_range_of_training(top: float, divisor: int) -> None:
    train = np.full((2, 2, 2), top)
    dark = np.full((1, 2, 2), 0.5)
    encoder = ImageEncoder.fit(train)
    assert encoder.encode(train, dtype=torch.float64)[0][0, 0, 0, 0].item() == top / divisor
    assert encoder.encode(dark, dtype=torch.float64)[0][0, 0, 0, 0].item() == 0.5 / divisor


def test_whole_numbers_and_floats_meet() -> None:
    of_floats, of_bytes = ImageEncoder.fit(np.ones((1, 2, 2))), ImageEncoder.fit(np.ones((1, 2, 2), dtype=np.uint8))
    pixels = np.full((1, 2, 2), 51, dtype=np.uint8)
    assert of_floats.encode(pixels)[0][0, 0, 0, 0].item() == pytest.approx(0.2)
    assert of_bytes.encode(pixels / 255)[0][0, 0, 0, 0].item() == pytest.approx(0.2)
    assert of_bytes.encode(pixels.astype(float))[0][0, 0, 0, 0].item() == pytest.approx(0.2)


def test_one_pixel_and_truth_values() -> None:
    x, _ = ImageEncoder.fit(np.ones((1, 1, 1), dtype=bool)).encode(np.array([[[True]], [[False]]]))
    assert x.flatten().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((2, 3)), r"axes N H W or N H W C. Got \(2, 3\)"),
        (np.zeros((2, 3, 8, 8)), "Move the channels to the end"),
        (np.full((1, 2, 2), np.nan), r"in \[0, 1\] or in \[0, 255\]. Got 'nan"),
        (np.full((1, 2, 2), -1.0), "Got '-1 to 0'"),
        (np.full((1, 2, 2), 256), "Got '0 to 256'"),
        (np.full((1, 2, 2), "a"), "Pixels must be numbers"),
        (np.zeros((1, 0, 2)), "axes N H W"),
    ],
)
def test_what_is_no_image_is_refused(features: np.ndarray, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ImageEncoder.fit(features)


def test_other_sizes_and_ranges_than_those_of_training_are_refused() -> None:
    encoder = ImageEncoder.fit(np.ones((1, 3, 4)))
    with pytest.raises(BadInput, match=r"1 x 3 x 4 \(channels, height, width\). Got \(1, 4, 4\)"):
        encoder.encode(np.ones((1, 4, 4)))
    with pytest.raises(BadInput, match="Divide them by 255"):
        encoder.encode(np.full((1, 3, 4), 200.0))


@pytest.mark.parametrize("features", [GRAY, np.ones((1, 2, 2, 3))])
def test_json_round_trip(features: np.ndarray) -> None:
    encoder = ImageEncoder.fit(features)
    assert ImageEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


@pytest.mark.parametrize("dtype", ["u1", ">u2", "i8", "f2", ">f4", ">f8", "g", "?"])
def test_any_type_of_number_becomes_pixels(dtype: str) -> None:
    pixels = (GRAY > 11).astype(dtype)
    x, _ = ImageEncoder.fit(pixels).encode(pixels)
    assert torch.equal(x[:, 0], torch.from_numpy(GRAY > 11) / (255 if pixels.dtype.kind in "ui" else 1))
