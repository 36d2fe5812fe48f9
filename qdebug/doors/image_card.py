"""How images become a model's inputs: a small card, from Hugging Face's configuration or from a file of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeGuard

from qdebug.errors import FileError, near
from qdebug.recipes.text import read_plain

HUGGING_FACE = "preprocessor_config.json"
CARDS = ("card.yaml", "card.json", HUGGING_FACE)
"""The files beside images that say how to prepare them; the first that is there counts."""
RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By the number that Pillow and Hugging Face have for them."""
_LARGEST_EDGE, _LARGEST_CARD, _LARGEST_NUMBER = 8192, 2**20, 3.4e38
#: Keys of Hugging Face's files that change no pixel here. Labels of segmentation are not read from images.
_SILENT = frozenset({
    "image_processor_type", "feature_extractor_type", "processor_class", "auto_map", "data_format", "device",
    "input_data_format", "return_tensors", "disable_grouping", "default_to_square", "do_reduce_labels", "reduce_labels",
    "do_convert_rgb", "_valid_processor_keys",
})  # fmt: skip
_KNOWN = frozenset({
    "do_resize", "size", "resample", "do_center_crop", "crop_size", "crop_pct", "do_rescale", "rescale_factor",
    "do_normalize", "image_mean", "image_std", "do_flip_channel_order",
})  # fmt: skip


@dataclass(frozen=True)
class Card:
    """What is done to an image, in this order.

    Attributes:
        channels: what it is converted to: ``rgb``, ``bgr`` or ``gray``. What is transparent becomes white.
        size: height and width that it is resized to, or the length of its shorter edge; None to leave it.
        resample: how; one of :data:`RESAMPLING`.
        crop: height and width cut out of its middle, with zeros around where it is smaller; None for all of it.
        scale: what pixels of 0 to 255 are multiplied by; None to leave them.
        mean: subtracted then, one for all channels or one for each; None for nothing.
        std: divided by then, likewise.
        layout: ``nchw`` or ``nhwc``.
        input: the model's input.
        classes: the folders of classes in the order of the model's labels; empty for the order of the alphabet.
    """

    channels: Literal["rgb", "bgr", "gray"] = "rgb"
    size: tuple[int, int] | int | None = None
    resample: str = "bilinear"
    crop: tuple[int, int] | None = None
    scale: float | None = 1 / 255
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: Literal["nchw", "nhwc"] = "nchw"
    input: str = "pixel_values"
    classes: tuple[str, ...] = ()


def card_of(folder: str | os.PathLike[str]) -> Card:
    """The card beside images, or above them where the folder is one of a data set's splits.

    Args:
        folder: where the images are.

    Raises:
        FileError: there is none, it is damaged, or it asks for what is not done here.
    """
    here = Path(folder)
    file = next((place / name for place in (here, here.parent) for name in CARDS if (place / name).is_file()), None)
    if file is None:
        raise FileError(
            "Nothing says how these images become a model's inputs", file=here,
            do=f"Put the model's {HUGGING_FACE} beside them, or a card.yaml such as 'size: [224, 224]', "
            "'mean: [0.485, 0.456, 0.406]', 'std: [0.229, 0.224, 0.225]'.",
        )  # fmt: skip
    plain = _read(file)
    return from_hugging_face(plain, file) if file.name == HUGGING_FACE else from_plain(plain, file)


def from_plain(plain: Mapping[str, Any], file: Path | None = None) -> Card:
    """A card of one's own: the attributes of :class:`Card` as keys.

    Args:
        plain: what was read.
        file: where, for messages.

    Raises:
        FileError: a key is unknown, or a value makes no sense.
    """
    names = [field.name for field in fields(Card)]
    for key in plain:
        if key not in names:
            raise FileError(f"The card has a key '{key}' that is not known", file=file, do=near(key, names))
    size = plain.get("size")
    made: dict[str, Any] = dict(plain)
    if "size" in plain:
        made["size"] = _edge(size, "size", file) if isinstance(size, int) else _pair(size, "size", file)
    if "crop" in plain:
        made["crop"] = _pair(plain["crop"], "crop", file)
    for name in ("mean", "std"):
        if name in plain:
            made[name] = _numbers(plain[name], name, file)
    if "scale" in plain:
        made["scale"] = _factor(plain["scale"], "scale", file)
    if "classes" in plain:
        made["classes"] = _folders(plain["classes"] or (), file)
    for name, known in (("channels", ("rgb", "bgr", "gray")), ("layout", ("nchw", "nhwc")), ("resample", RESAMPLING)):
        if name in plain and plain[name] not in known:
            raise FileError(f"'{name}' is {_short(plain[name])}", file=file, do=near(str(plain[name]), known))
    return _checked(Card(**{**made, "input": str(plain.get("input", Card.input))}), file)


def from_hugging_face(plain: Mapping[str, Any], file: Path | None = None) -> Card:
    """The card of a ``preprocessor_config.json``, as the image processors of transformers read it.

    Args:
        plain: what was read.
        file: where, for messages.

    Raises:
        FileError: it asks for what is not done here, such as padding, or a value makes no sense.
    """
    for key, value in plain.items():
        if key not in _KNOWN and key not in _SILENT and value not in (None, False, 0, {}, []):
            raise FileError(
                f"'{key}' is {_short(value)}, which is not done here", file=file,
                do="Prepare the images with the model's own processor and give them as an .npz.",
            )  # fmt: skip
    is_cut = bool(plain.get("do_center_crop", False))
    crop = _pair(plain.get("crop_size"), "crop_size", file) if is_cut else None
    size = _size(plain.get("size"), is_cut or "crop_pct" in plain, file) if plain.get("do_resize", True) else None
    if size is not None and plain.get("crop_pct") is not None:
        size, crop = _by_share(size, plain["crop_pct"], crop, file)
    # Where the key is missing, MobileViT's files mean no; they alone have the other key.
    is_normal = bool(plain.get("do_normalize", "image_mean" in plain and "do_flip_channel_order" not in plain))
    resample = plain.get("resample", 2)
    if not isinstance(resample, int) or resample not in range(len(RESAMPLING)):
        raise FileError(f"'resample' is {_short(resample)}", file=file, do=f"Give 0 to {len(RESAMPLING) - 1}.")
    factor = _factor(plain.get("rescale_factor"), "rescale_factor", file)
    return _checked(Card(
        channels="bgr" if plain.get("do_flip_channel_order") else "rgb", size=size, resample=RESAMPLING[resample],
        crop=crop, scale=(1 / 255 if factor is None else factor) if plain.get("do_rescale", True) else None,
        mean=_numbers(plain.get("image_mean"), "image_mean", file) if is_normal else None,
        std=_numbers(plain.get("image_std"), "image_std", file) if is_normal else None,
    ), file)  # fmt: skip


def _read(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text("utf-8")
        if len(text) > _LARGEST_CARD:
            raise ValueError(f"it has {len(text):,} characters")
        plain = read_plain(text)
    except (OSError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(f"The card cannot be read: {first}", file=file, do="Write it again.") from None
    if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
        raise FileError("The card holds no keys and values", file=file, do="Write 'size: [224, 224]' and so on.")
    return plain


def _size(size: object, is_short: bool, file: Path | None) -> tuple[int, int] | int:
    """Hugging Face's size; a number alone is the shorter edge where something is cut out after it, else both."""
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return _edge(size["shortest_edge"], "size", file)
    if isinstance(size, int) and is_short:
        return _edge(size, "size", file)
    return _pair(size, "size", file)


def _by_share(
    size: tuple[int, int] | int, share: object, crop: tuple[int, int] | None, file: Path | None
) -> tuple[tuple[int, int] | int, tuple[int, int] | None]:
    """ConvNeXt's way: below 384 more is resized than is kept, from 384 on the image is squeezed into the square."""
    if not isinstance(size, int) or crop is not None or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise FileError(
            f"'crop_pct' is {_short(share)}, beside a size of {size}", file=file, do="It needs a shortest_edge."
        )
    return (int(size / share), (size, size)) if size < 384 else ((size, size), None)


def _pair(value: object, name: str, file: Path | None) -> tuple[int, int]:
    if isinstance(value, Mapping) and set(value) == {"height", "width"}:
        value = [value["height"], value["width"]]
    if isinstance(value, int):
        value = [value, value]
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise FileError(f"'{name}' is {_short(value)}", file=file, do="Give a height and a width.")
    return _edge(value[0], name, file), _edge(value[1], name, file)


def _edge(value: object, name: str, file: Path | None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_EDGE:
        raise FileError(f"'{name}' is {_short(value)}", file=file, do=f"Give pixels, 1 to {_LARGEST_EDGE}.")
    return value


def _numbers(value: object, name: str, file: Path | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    many: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not many or not all(_is_number(one) for one in many):
        raise FileError(f"'{name}' is {_short(value)}", file=file, do="Give a number, or one for each channel.")
    return tuple(map(float, many))


def _factor(value: object, name: str, file: Path | None) -> float | None:
    numbers = _numbers(value, name, file)
    if numbers is None:
        return None
    if len(numbers) != 1:
        raise FileError(f"'{name}' is {_short(value)}", file=file, do="Give one number, for all channels.")
    return numbers[0]


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that a float32 holds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER


def _folders(value: object, file: Path | None) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise FileError(
            f"'classes' is {_short(value)}", file=file, do="Give the names of the folders, in the order of the labels."
        )
    return tuple(map(str, value))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _checked(card: Card, file: Path | None) -> Card:
    channels = 1 if card.channels == "gray" else 3
    for name, values in (("mean", card.mean), ("std", card.std)):
        if values is not None and len(values) not in (1, channels):
            raise FileError(
                f"'{name}' has {len(values)} numbers for {channels} channels", file=file, do="Give one each."
            )
    if card.std is not None and 0.0 in card.std:
        raise FileError("'std' is 0", file=file, do="Give what the model was trained with.")
    return card
