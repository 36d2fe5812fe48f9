"""A folder of images as arrays: decoded by Pillow, prepared as a card says."""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from qdebug.doors.image_card import Card, card_of
from qdebug.doors.npz import LARGEST
from qdebug.errors import DataError, FileError, UsageError, near

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"})
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM", "GIF")
PIXELS = 64 * 10**6
"""Of one image, beyond which it is refused before it is decoded."""
IMAGES = 100_000
"""Of one folder, beyond which it is refused unless fewer are asked for."""


def read_images(
    folder: str | os.PathLike[str], card: Card | None = None, *, input: str | None = None,  # noqa: A002
    classes: Mapping[int, str] | Sequence[str] | None = None, samples: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The images of a folder, ready for a model.

    A folder for each class gives labels: numbers in the order of the folders' names, or of ``classes``. Images that lie
    in the folder itself have none. Both are in the order of their names.

    Args:
        folder: where they are.
        card: how they are prepared; without it, what lies beside them says so (:func:`card_of`).
        input: the model's input; without it the card's.
        classes: the model's labels, by number or in order, which folders are called after; without it the card's.
        samples: how many images at most, evenly from all of them.
        check: called between images; raises where the work is to stop.

    Returns:
        float32 ``[N, channels, height, width]`` (``[N, height, width, channels]`` as the card says; uint8 where it
        neither scales nor normalizes) under the input's name, and int64 ``labels`` ``[N]`` where there are classes.

    Raises:
        FileError: there is no such folder, an image is damaged or too large, or Pillow is not installed.
        DataError: there is no image, they come out in different sizes or are too many, or a folder is no class.
        UsageError: ``samples`` is no positive number.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileError("There is no such folder", file=place, do="Check the path.")
    need_pillow(place)
    if samples is not None and samples < 1:
        raise UsageError(f"samples is {samples}", do="Give a number from 1.")
    card = card or card_of(place)
    files, labels = _listed(place, classes if classes is not None else card.classes or None)
    if samples is not None and samples < len(files):
        kept = [number * len(files) // samples for number in range(samples)]
        files, labels = [files[number] for number in kept], labels and [labels[number] for number in kept]
    if len(files) > IMAGES:
        raise DataError(f"The folder has {len(files):,} images", file=place, do=f"Give at most {IMAGES:,}.")
    arrays = {
        input or card.input: decoded((Picture(file, str(file)) for file in files), len(files), card, place, check)
    }
    return arrays if labels is None else {**arrays, "labels": np.asarray(labels, dtype=np.int64)}


def need_pillow(place: Path) -> None:
    """Refuse images where nothing decodes them.

    Raises:
        FileError: Pillow is not installed.
    """
    if importlib.util.find_spec("PIL") is None:
        raise FileError("Images need Pillow, which is not installed", file=place, do="pip install 'qdebug[images]'.")


def prepared(image: Image, card: Card) -> np.ndarray:
    """One image as the card says: float32, or uint8 where it neither scales nor normalizes."""
    from PIL.Image import Resampling

    if card.size is not None:
        height, width = _new_size(image, card.size)
        image = image.resize((width, height), Resampling[card.resample.upper()])
    pixels = np.asarray(image)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if card.crop is not None:
        pixels = _middle(pixels, *card.crop)
    if card.channels == "bgr":
        pixels = pixels[..., ::-1]
    if card.scale is not None:
        pixels = (pixels.astype(np.float64) * card.scale).astype(np.float32)
    if card.mean is not None or card.std is not None:
        pixels = pixels.astype(np.float32)
        pixels = pixels - np.asarray(card.mean or 0, dtype=np.float32)
        pixels = pixels / np.asarray(card.std or 1, dtype=np.float32)
    return pixels if card.layout == "nhwc" else np.moveaxis(pixels, -1, 0)


class Picture(NamedTuple):
    """An image not yet decoded: where its bytes are, and what it is called in messages."""

    source: Path | BinaryIO
    name: str


def decoded(pictures: Iterable[Picture], count: int, card: Card, place: Path, check: Callable[[], None]) -> np.ndarray:
    """All images, prepared as the card says. Room for them is made once the first tells how much each takes.

    Args:
        pictures: as many as ``count``.
        count: how many there are, one at least.
        card: how they are prepared.
        place: where they are from, for messages.
        check: called between images; raises where the work is to stop.

    Raises:
        FileError: an image is damaged or too large.
        DataError: they come out in different sizes, or take too much.
    """
    found: np.ndarray | None = None
    for number, (source, name) in enumerate(pictures):
        check()
        pixels = prepared(_open(source, name, card), card)
        if found is None:
            if pixels.nbytes * count > LARGEST:
                raise DataError(
                    f"{count:,} images of {list(pixels.shape)} are {pixels.nbytes * count / 2**30:.1f} GiB",
                    file=place, do=f"Give at most {LARGEST // pixels.nbytes:,}.",
                )  # fmt: skip
            found = np.empty((count, *pixels.shape), dtype=pixels.dtype)
        if pixels.shape != found.shape[1:]:
            raise DataError(
                f"An image comes out as {list(pixels.shape)}, those before it as {list(found.shape[1:])}", file=name,
                do="Say in the card to what size images are resized or cropped.",
            )  # fmt: skip
        found[number] = pixels
    assert found is not None
    return found


def _open(source: Path | BinaryIO, file: str, card: Card) -> Image:
    """An image, upright, in the card's channels. Its size is looked at before it is decoded."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=_FORMATS) as opened:
                width, height = opened.size
                if width * height > PIXELS:
                    raise FileError(
                        f"The image has {width:,}×{height:,} pixels", file=file,
                        do=f"Give at most {PIXELS // 10**6} million pixels: resize it first.",
                    )  # fmt: skip
                return _converted(ImageOps.exif_transpose(opened), "L" if card.channels == "gray" else "RGB")
    except FileError:
        raise
    except Image.DecompressionBombError:
        raise FileError(
            "The image has too many pixels", file=file, do=f"Give at most {PIXELS // 10**6} million: resize it first."
        ) from None
    except Exception as error:  # noqa: BLE001 - only the library runs here, and damaged files bring it to any of them
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(f"The image cannot be read: {reason}", file=file, do="Replace it, or take it out.") from None


def _converted(image: Image, mode: str) -> Image:
    """An image in one mode; white shines through where it is transparent."""
    from PIL import Image

    if "A" in image.getbands() or image.info.get("transparency") is not None:
        solid = image.convert("RGBA")
        white = Image.new("RGBA", solid.size, (255, 255, 255))
        image = Image.alpha_composite(white, solid)
    return image.convert(mode)


def _new_size(image: Image, size: tuple[int, int] | int) -> tuple[int, int]:
    """Height and width to resize to. With the shorter edge given, the longer is rounded down."""
    if not isinstance(size, int):
        return size
    width, height = image.size
    longer = int(size * max(width, height) / min(width, height))
    return (longer, size) if width <= height else (size, longer)


def _middle(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of ``[height, width, channels]``; zeros around what is smaller, the odd row of them above."""
    have_height, have_width, channels = pixels.shape
    tall, wide = max(height, have_height), max(width, have_width)
    if (tall, wide) != (have_height, have_width):
        room = np.zeros((tall, wide, channels), dtype=pixels.dtype)
        top, left = -((have_height - tall) // 2), -((have_width - wide) // 2)
        room[top : top + have_height, left : left + have_width] = pixels
        pixels = room
        top, left = max(0, (have_height - height) // 2 + top), max(0, (have_width - width) // 2 + left)
    else:
        top, left = (have_height - height) // 2, (have_width - width) // 2
    return pixels[top : top + height, left : left + width]


def _listed(place: Path, classes: Mapping[int, str] | Sequence[str] | None) -> tuple[list[Path], list[int] | None]:
    """Files in the order of their names, and labels where folders are classes."""
    flat = _images_in(place)
    folders = {one.name: _images_in(one) for one in sorted(place.iterdir()) if one.is_dir() and one.name[0] != "."}
    folders = {name: files for name, files in folders.items() if files}
    if flat and folders:
        raise DataError(
            f"Images lie both in the folder and in '{next(iter(folders))}'", file=place,
            do="Give a folder for each class, or all images in one folder.",
        )  # fmt: skip
    if flat:
        return flat, None
    if not folders:
        raise DataError(
            "The folder has no image", file=place, do=f"Images end in {', '.join(sorted(SUFFIXES))}, one folder deep."
        )
    numbers = numbered(list(folders), classes, place)
    return [file for files in folders.values() for file in files], [
        numbers[name] for name, files in folders.items() for _ in files
    ]


def _images_in(place: Path) -> list[Path]:
    return sorted(
        one for one in place.iterdir() if one.suffix.lower() in SUFFIXES and one.name[0] != "." and one.is_file()
    )


def numbered(
    folders: Sequence[str], classes: Mapping[int, str] | Sequence[str] | None, place: Path, what: str = "folder"
) -> dict[str, int]:
    """The label of each folder, or of each of what else has a class's name: the model's number, or that of its place.

    Raises:
        DataError: one is called as no class of the model is.
    """
    if classes is None:
        return {name: number for number, name in enumerate(folders)}
    pairs = classes.items() if isinstance(classes, Mapping) else enumerate(classes)
    known: dict[str, int] = {}
    for number, words in pairs:
        for name in (str(words), str(words).split(",")[0]):  # 'tabby, tabby cat' is 'tabby' too
            known.setdefault(_plain(name), int(number))
    for name in folders:
        if _plain(name) not in known:
            raise DataError(f"The {what} '{name}' is no class of the model", file=place, do=near(_plain(name), known))
    return {name: known[_plain(name)] for name in folders}


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").strip()
