"""Folders of pictures: one sub-folder a class, perhaps within `train` and `test`; or a flat folder to answer for."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wellposed.checks import refusal
from wellposed.errors import BadInput

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")
LARGEST = 64
"""Pixels along the longer side, unless another size is asked for."""
SIDEWAYS = (5, 6, 7, 8)  # values of the tag by which cameras say that a picture lies on its side
ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of one size.

    Attributes:
        pixels: `N H W` (gray) or `N H W 3`, from 0 to 255.
        names: Path of each within the folder.
        labels: Name of each one's sub-folder; empty in a flat folder.
        notes: What was told and carried on with.
    """

    pixels: np.ndarray
    names: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = ()


def read_class_folders(
    folder: Path, *, size: int | None = None, limit: int | None = None
) -> tuple[Pictures, Pictures | None]:
    """The pictures of a folder that has one sub-folder a class, and its own test pictures where it has any.

    Where there are sub-folders `train` and `test`, the classes are looked for in these; a sub-folder `validation` is
    more to train on. Classes take turns in the order of the pictures, so that the first ones hold all of them.

    Args:
        folder: Where to look. Hidden files and files of other kinds are left out.
        size: Make all pictures squares of this size.
        limit: Read the first training pictures only.
    """
    parts = part_folders(folder)
    notes: list[str] = []
    found = [path for part in parts["train"] for path in class_files(part, folder, notes)]
    if len({path.parent.name for path in found}) < 2:
        classes = sorted({path.parent.name for path in found})
        do = "Put the pictures of each class into a sub-folder of their own."
        must = "have sub-folders of pictures, one for each class"
        raise refusal(f"The folder {folder.resolve().name!r}", must, classes, do)
    train = read_pictures(taking_turns(found)[:limit], folder, size=size)
    test = None
    if parts["test"]:
        files = [path for part in parts["test"] for path in class_files(part, folder, notes)]
        if not files:
            raise BadInput(f"The folder {parts['test'][0].name!r} must hold pictures. Got none.")
        test = read_pictures(files, folder, shape=train.pixels.shape[1:])
    if len(parts["train"]) > 1:
        notes.append("The pictures of all folders but the test folder were put together; some are held out again.")
    told = dict.fromkeys((*notes, *train.notes, *(test.notes if test else ())))
    return Pictures(train.pixels, train.names, train.labels, tuple(told)), test


def read_test_folder(folder: Path, shape: tuple[int, ...]) -> Pictures:
    """The pictures in the sub-folders of a folder, one sub-folder a class, as this shape: `H W` or `H W 3`."""
    notes: list[str] = []
    files = class_files(folder, folder, notes)
    if not files:
        must = "have a sub-folder of pictures for each class"
        raise refusal(f"The folder {folder.resolve().name!r}", must, [path.name for path in sub_folders(folder)])
    return read_pictures(files, folder, shape=shape)


def read_any_folder(folder: Path, shape: tuple[int, ...]) -> Pictures:
    """All pictures in a folder and in its sub-folders, by name, as this shape: `H W` or `H W 3`."""
    files = sorted(path for path in folder.rglob("*") if is_picture(path, folder))
    if not files:
        raise refusal(f"The folder {folder.resolve().name!r}", f"hold pictures ({', '.join(SUFFIXES)})", "none")
    return read_pictures(files, folder, shape=shape)


def part_folders(folder: Path) -> dict[str, list[Path]]:
    """The folders in which classes are to be looked for: for training, and for the test."""
    beneath = {path.name.lower(): path for path in sub_folders(folder)}
    train = [beneath[name] for name in TRAIN if name in beneath]
    if not train or not set(beneath) <= {*TRAIN, *TEST, *VALIDATION} or not sub_folders(train[0]):
        return {"train": [folder], "test": []}
    more = [beneath[name] for name in VALIDATION if name in beneath]
    return {"train": train + more, "test": [beneath[name] for name in TEST if name in beneath]}


def class_files(folder: Path, root: Path, notes: list[str]) -> list[Path]:
    """The pictures in the sub-folders of a folder; of what is left out, a note is added."""
    files: list[Path] = []
    for sub_folder in sub_folders(folder):
        beneath = sorted(path for path in sub_folder.iterdir() if not path.name.startswith("."))
        own = [path for path in beneath if is_picture(path, root)]
        where = sub_folder.relative_to(root).as_posix()
        if len(own) < len(beneath):
            n = len(beneath) - len(own)
            what = "1 file or folder that is no picture" if n == 1 else f"{n} files or folders that are no pictures"
            notes.append(f"Left out {what} in {where!r}.")
        files += own
    return files


def sub_folders(folder: Path) -> list[Path]:
    """The sub-folders that are not hidden, by name."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def is_picture(path: Path, root: Path) -> bool:
    """Whether a file has a picture's suffix and neither it nor a folder below the root is hidden."""
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in SUFFIXES and path.is_file()


def taking_turns(files: list[Path]) -> list[Path]:
    """The first of each class, then the second of each, and so on.

    >>> [str(path) for path in taking_turns([Path("a/1"), Path("a/2"), Path("a/3"), Path("b/1")])]
    ['a/1', 'b/1', 'a/2', 'a/3']
    """
    seen = Counter[str]()
    ranked: list[tuple[int, str, int]] = []
    for path in files:
        ranked.append((seen[path.parent.name], path.parent.name, len(ranked)))
        seen[path.parent.name] += 1
    return [files[place] for _, _, place in sorted(ranked)]


def read_pictures(
    files: list[Path], root: Path, *, size: int | None = None, shape: tuple[int, ...] | None = None
) -> Pictures:
    """Pictures in one size and either all gray or all in color.

    Args:
        files: Where they are, one at least.
        root: What their names are relative to.
        size: Make them squares of this size; else the size that most have, or the median, at most `LARGEST`.
        shape: Make them like this instead: `H W` or `H W 3`.
    """
    pillow = _pillow()
    names = np.array([path.relative_to(root).as_posix() for path in files], dtype=object)
    labels = np.array([path.parent.name if path.parent != root else "" for path in files], dtype=object)
    sizes, broken = {}, {}
    for path in files:
        try:
            sizes[path] = _size(pillow, path)
        except _faults(pillow) as fault:
            broken[path] = fault
    _refuse_broken(broken, root)
    height, width = shape[:2] if shape else (size, size) if size else common_size(list(sizes.values()))
    pixels = np.empty((len(files), height, width, 3), dtype=np.uint8)
    n_colored = 0
    for i, path in enumerate(files):
        try:
            pixels[i] = _pixels(pillow, path, height, width)
        except _faults(pillow) as fault:
            broken[path] = fault
        n_colored += bool((pixels[i] != pixels[i, ..., :1]).any())
    _refuse_broken(broken, root)
    notes = []
    n_other = sum(found != (height, width) for found in sizes.values())
    if n_other:
        notes.append(f"Resized {n_other} of {len(files)} pictures to {height} x {width} (height, width).")
    gray = n_colored == 0 if shape is None else len(shape) == 2
    if gray and n_colored:
        pixels = np.stack([_gray(picture) for picture in pixels])[..., None]
        notes.append(f"Made gray, as the pictures trained on are: {n_colored} of {len(files)} pictures.")
    return Pictures(np.ascontiguousarray(pixels[..., 0]) if gray else pixels, names, labels, tuple(notes))


def common_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """The size that more than half have, else the medians; made smaller where one side is above `LARGEST`.

    >>> common_size([(8, 8), (8, 8), (9, 5)]), common_size([(100, 300), (200, 400)])
    ((8, 8), (27, 64))
    """
    [(size, n)] = Counter(sizes).most_common(1)
    height, width = size if 2 * n > len(sizes) else np.median(np.array(sizes), axis=0)
    scale = min(1.0, LARGEST / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _pillow() -> Any:
    """Pillow's modules that are used here."""
    try:
        from PIL import Image, ImageOps
    except ImportError as fault:
        do = 'Run: pip install "wellposed[images]"'
        raise BadInput(f"Pictures must be read by Pillow. Got no such package. {do}") from fault
    return Image, ImageOps


def _faults(pillow: Any) -> tuple[type[Exception], ...]:
    """What Pillow raises over files that are damaged, no pictures, or of a size that no picture has."""
    image, _ = pillow
    return OSError, SyntaxError, ValueError, EOFError, image.DecompressionBombError, image.DecompressionBombWarning


def _size(pillow: Any, path: Path) -> tuple[int, int]:
    """Height and width as the picture is to be seen, from the file's header."""
    with pillow[0].open(path) as picture:
        width, height = picture.size
        return (width, height) if picture.getexif().get(ORIENTATION) in SIDEWAYS else (height, width)


def _pixels(pillow: Any, path: Path, height: int, width: int) -> np.ndarray:
    """A picture's first frame in red, green and blue, upright, on white where it is transparent."""
    image, operations = pillow
    with image.open(path) as opened:
        picture = operations.exif_transpose(opened)
        if picture.mode.startswith(("I", "F")):  # 16 bits a pixel
            values = np.asarray(picture).astype(np.float64)
            picture = image.fromarray(
                (values / (257 if values.max() > 255 else 1)).clip(0, 255).round().astype(np.uint8)
            )
        if "A" in picture.mode or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            paper = image.new("RGBA", picture.size, "white")
            picture = image.alpha_composite(paper, picture)
        picture = picture.convert("RGB")
        if picture.size != (width, height):
            picture = picture.resize((width, height), image.Resampling.BILINEAR)
        return np.asarray(picture)


def _gray(pixels: np.ndarray) -> np.ndarray:
    """Brightness by the weights of ITU-R BT.601, as television has it."""
    return np.asarray((pixels @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8))


def _refuse_broken(broken: dict[Path, Exception], root: Path) -> None:
    if broken:
        listed = ", ".join(path.relative_to(root).as_posix() for path in list(broken)[:5])
        more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise BadInput(
            f"The files of {root.resolve().name!r} must be whole pictures. Got {len(broken)} that cannot be read: "
            f"{listed}{more}. Delete or restore them."
        )
