"""Folders of pictures of every kind that Pillow writes, in every order that people leave them in."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wellposed.errors import BadInput
from wellposed.inputs.folder import common_size, read_any_folder, read_class_folders, read_test_folder

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def draw(
    path: Path, *, size: tuple[int, int] = (4, 3), value: object = 100, mode: str = "L", **options: object
) -> None:
    """A picture of one color; `size` is (width, height), as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path, **options)


def fill(folder: Path, n: int = 2, **options: object) -> Path:
    for label, value in (("cat", 10), ("dog", 200)):
        for i in range(n):
            draw(folder / label / f"{i}.png", value=value + i, **options)
    return folder


def test_a_sub_folder_is_a_class_and_classes_take_turns(tmp_path: Path) -> None:
    train, test = read_class_folders(fill(tmp_path))
    assert train.names.tolist() == ["cat/0.png", "dog/0.png", "cat/1.png", "dog/1.png"]
    assert train.labels.tolist() == ["cat", "dog"] * 2
    assert train.pixels.shape == (4, 3, 4) and train.pixels[:, 0, 0].tolist() == [10, 200, 11, 201]
    assert (test, train.notes) == (None, ())
    assert read_class_folders(tmp_path, limit=3)[0].labels.tolist() == ["cat", "dog", "cat"]


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "bmp", "gif", "webp"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    for label, value in (("a", 20), ("b", 240)):
        draw(tmp_path / label / f"0.{suffix}", size=(8, 8), value=value)
    pixels = read_class_folders(tmp_path)[0].pixels
    np.testing.assert_allclose(pixels.reshape(2, -1).mean(1), [20, 240], atol=2)  # some formats lose a little
    assert pixels.ndim == 3


def test_color_is_kept_where_one_picture_has_it(tmp_path: Path) -> None:
    draw(fill(tmp_path) / "cat" / "red.png", mode="RGB", value=(255, 0, 0))
    train, _ = read_class_folders(tmp_path)
    assert train.pixels.shape == (5, 3, 4, 3)
    assert train.pixels[train.names.tolist().index("cat/red.png"), 0, 0].tolist() == [255, 0, 0]
    assert train.pixels[0, 0, 0].tolist() == [10, 10, 10]


def test_gray_pictures_in_three_channels_are_gray(tmp_path: Path) -> None:
    draw(fill(tmp_path) / "cat" / "rgb.png", mode="RGB", value=(7, 7, 7))
    assert read_class_folders(tmp_path)[0].pixels.ndim == 3


def test_transparency_is_white_paper_and_16_bits_are_8(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "clear.png", mode="RGBA", value=(0, 0, 0, 0))
    draw(tmp_path / "cat" / "deep.png", mode="I;16", value=100 * 257)
    draw(tmp_path / "cat" / "one.png", mode="1", value=1)
    train, _ = read_class_folders(tmp_path)
    found = dict(zip(train.names, train.pixels[:, 0, 0].tolist(), strict=True))
    assert (found["cat/clear.png"], found["cat/deep.png"], found["cat/one.png"]) == (255, 100, 255)


def test_a_picture_that_lies_on_its_side_is_put_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for label in ("a", "b"):
        draw(tmp_path / label / "0.jpg", size=(8, 4), exif=exif)
    train, _ = read_class_folders(tmp_path)
    assert train.pixels.shape == (2, 8, 4) and train.notes == ()


def test_other_sizes_become_that_of_the_majority(tmp_path: Path) -> None:
    draw(fill(tmp_path) / "dog" / "large.png", size=(40, 30), value=50)
    train, _ = read_class_folders(tmp_path)
    assert train.pixels.shape == (5, 3, 4) and train.pixels[-1].tolist() == [[50] * 4] * 3
    assert train.notes == ("Resized 1 of 5 pictures to 3 x 4 (height, width).",)


def test_large_pictures_become_small_unless_a_size_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, size=(300, 150))
    train, _ = read_class_folders(tmp_path)
    assert train.pixels.shape == (4, 32, 64)
    assert train.notes == ("Resized 4 of 4 pictures to 32 x 64 (height, width).",)
    assert read_class_folders(tmp_path, size=100)[0].pixels.shape == (4, 100, 100)
    assert common_size([(1000, 1)]) == (64, 1)


def test_train_and_test_folders_are_kept_apart(tmp_path: Path) -> None:
    fill(tmp_path / "train", n=3)
    fill(tmp_path / "Test", n=1, size=(9, 9))
    train, test = read_class_folders(tmp_path)
    assert test is not None
    assert len(train.names) == 6 and train.names[0] == "train/cat/0.png"
    assert test.labels.tolist() == ["cat", "dog"] and test.pixels.shape == (2, 3, 4)
    assert train.notes == ("Resized 2 of 2 pictures to 3 x 4 (height, width).",)
    fill(tmp_path / "valid", n=1)
    more, _ = read_class_folders(tmp_path)
    assert len(more.names) == 8 and "put together" in more.notes[0]


def test_classes_named_train_and_test_without_sub_folders_are_classes(tmp_path: Path) -> None:
    for label in ("train", "test"):
        draw(tmp_path / label / "0.png")
    train, test = read_class_folders(tmp_path)
    assert sorted(train.labels) == ["test", "train"] and test is None


def test_hidden_files_are_passed_over_and_others_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    for name in (".hidden/0.png", "cat/.DS_Store.png", "__MACOSX/0.png"):
        draw(tmp_path / name)
    assert read_class_folders(tmp_path)[0].notes == ()
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "readme.txt").write_text("x")
    assert read_class_folders(tmp_path)[0].notes == ("Left out 1 file or folder that is no picture in 'cat'.",)


@pytest.mark.parametrize("spoil", [b"", b"\x89PNG\r\n", b"hello"])
def test_broken_files_are_named(tmp_path: Path, spoil: bytes) -> None:
    (fill(tmp_path) / "dog" / "bad.png").write_bytes(spoil)
    with pytest.raises(BadInput, match=r"must be whole pictures. Got 1 that cannot be read: dog/bad.png. Delete or"):
        read_class_folders(tmp_path)


def test_a_picture_that_is_cut_short_is_broken(tmp_path: Path) -> None:
    path = fill(tmp_path) / "dog" / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInput, match=r"dog/noise.png"):
        read_class_folders(tmp_path)


def test_fewer_than_two_classes_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "cat" / "0.png")
    (tmp_path / "dog").mkdir()
    with pytest.raises(BadInput, match=r"must have sub-folders of pictures, one for each class. Got \['cat'\]. Put"):
        read_class_folders(tmp_path)
    fill(tmp_path / "x" / "train")
    (tmp_path / "x" / "test").mkdir()
    with pytest.raises(BadInput, match=r"The folder 'test' must hold pictures. Got none"):
        read_class_folders(tmp_path / "x")


def test_test_pictures_and_flat_folders_take_the_shape_of_training(tmp_path: Path) -> None:
    fill(tmp_path / "test", size=(9, 9))
    assert read_test_folder(tmp_path / "test", (5, 6)).pixels.shape == (4, 5, 6)
    assert read_test_folder(tmp_path / "test", (5, 6, 3)).pixels.shape == (4, 5, 6, 3)
    with pytest.raises(BadInput, match=r"must have a sub-folder of pictures for each class"):
        read_test_folder(tmp_path / "test" / "cat", (5, 6))
    flat = read_any_folder(tmp_path / "test" / "cat", (9, 9))
    assert (flat.names.tolist(), flat.labels.tolist(), flat.notes) == (["0.png", "1.png"], ["", ""], ())
    (tmp_path / "none").mkdir()
    with pytest.raises(BadInput, match=r"must hold pictures \(.png, .jpg"):
        read_any_folder(tmp_path / "none", (9, 9))


def test_color_becomes_gray_as_the_eye_sees_it(tmp_path: Path) -> None:
    draw(tmp_path / "0.png", mode="RGB", value=(0, 255, 0))
    draw(tmp_path / "1.png", value=77)
    flat = read_any_folder(tmp_path, (3, 4))
    oracle = Image.new("RGB", (1, 1), (0, 255, 0)).convert("L").getpixel((0, 0))
    assert flat.pixels[:, 0, 0].tolist() == [oracle, 77]
    assert flat.notes == ("Made gray, as the pictures trained on are: 1 of 2 pictures.",)


def test_without_pillow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BadInput, match=r'pip install "wellposed\[images\]"'):
        read_class_folders(tmp_path)
