"""What slow fixes have found, kept in files named by what it was found from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import safetensors
from safetensors.torch import save
from torch import Tensor

from qdebug.doors.stored.filing import filed
from qdebug.doors.stored.safetensors import read_safetensors
from qdebug.engine import LayerQuant, Overlay, Rounded
from qdebug.errors import FileError
from qdebug.formats import FORMATS, Block
from qdebug.graph.filed import FiledTensor
from qdebug.quantize import Basis, Grid, LevelGrid, QParams, Rotated, Scaled, Without
from qdebug.recipes import LayerPlan
from qdebug.session.streaming import streamed
from qdebug.whole import whole_file

_SMALL = 1 << 16
"""Values that are not worth reading anew each time."""
_LAYOUT = "2"
"""Of the files. Another one's are not read."""
_ELEMENTS = {form.element.name: form.element for form in FORMATS.values() if isinstance(form, Block)}

Value = TypeVar("Value")


@dataclass(frozen=True)
class Finding:
    """What a fix added: tensors by step, rounded weights by layer step, and layers that are quantized otherwise."""

    tensors: Mapping[int, Tensor]
    biases: Mapping[int, Tensor]
    rounded: Mapping[int, Rounded]
    quants: Mapping[int, LayerQuant]

    def on(self, overlay: Overlay, quants: Mapping[int, LayerQuant]) -> tuple[Overlay, dict[int, LayerQuant]]:
        """What the fix left of what it was given."""
        return overlay.updated(self.tensors, self.biases, self.rounded), {**quants, **self.quants}


def finding(
    before: tuple[Overlay, Mapping[int, LayerQuant]], after: tuple[Overlay, Mapping[int, LayerQuant]]
) -> Finding:
    """What a fix added to what it was given."""
    (given, had), (left, has) = before, after
    return Finding(
        _new(given.tensors, left.tensors), _new(given.biases, left.biases), _new(given.rounded, left.rounded),
        _new(had, has),
    )  # fmt: skip


def _new(before: Mapping[int, Value], after: Mapping[int, Value]) -> dict[int, Value]:
    return {step: value for step, value in after.items() if before.get(step) is not value}


def read(folder: Path, key: bytes, *, in_file: bool = False) -> Finding | None:
    """What was kept under a key; None where nothing was, or where the file does not hold it any more.

    Args:
        folder: where it is kept.
        key: under which key.
        in_file: leave the tensors in their file, to be read each time that something is computed with them.
    """
    try:
        path = _path(folder, key)
        stored = read_safetensors(path)[0] if in_file else ()
        left = {one.name: filed(one) for one in stored if one.title == "F32" and one.count > _SMALL}
        with safetensors.safe_open(path, framework="pt") as file:
            plain = msgspec.json.decode((file.metadata() or {})["finding"])
            if plain["layout"] != _LAYOUT:
                return None
            names = file.keys()
            return _from_plain(plain, {name: left[name] if name in left else file.get_tensor(name) for name in names})
    except (OSError, FileError, safetensors.SafetensorError, KeyError, ValueError, msgspec.MsgspecError):
        return None


def write(folder: Path, key: bytes, found: Finding) -> None:
    """Keep a finding, whole or not at all. Where the disk does not let us, nothing is kept and nothing is lost."""
    tensors: dict[str, Tensor] = {}
    plain = _to_plain(found, tensors)
    # One entry: safetensors writes several in any order, and equal findings are to have equal bytes.
    words = {"finding": msgspec.json.encode({"layout": _LAYOUT, **plain}).decode()}
    in_files = any(isinstance(one, FiledTensor) for one in tensors.values())
    pieces = streamed(tensors, words) if in_files else iter([save(tensors, words)])
    path = _path(folder, key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part, part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
    except OSError:
        return


def _path(folder: Path, key: bytes) -> Path:
    return folder / "fixes" / f"{hashlib.blake2b(key, digest_size=16).hexdigest()}.safetensors"


def _to_plain(found: Finding, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Everything but the tensors, which are put among ``tensors`` under the names that it gives them, each once."""
    names: dict[int, str] = {}

    def put(tensor: Tensor | None) -> str | None:
        if tensor is None:
            return None
        name = names.setdefault(id(tensor), str(len(tensors)))
        tensors[name] = tensor.detach().contiguous()
        return name

    def stride(tensor: Tensor) -> list[int]:
        return list(tensor.stride())

    return {
        "tensors": {str(step): [put(one), stride(one)] for step, one in found.tensors.items()},
        "biases": {str(step): put(one) for step, one in found.biases.items()},
        "rounded": {
            str(step): {
                "values": put(one.values), "stride": stride(one.values), "grid": _grid_plain(one.grid, put),
                "basis": _basis_plain(one.basis), "side": put(one.side), "beside": one.beside,
            }
            for step, one in found.rounded.items()
        },
        "quants": {
            str(step): {
                "plan": msgspec.to_builtins(one.plan), "activation": _grid_plain(one.activation, put),
                "axis": one.axis, "int32_bias": one.int32_bias, "basis": _basis_plain(one.basis),
            }
            for step, one in found.quants.items()
        },
    }  # fmt: skip


def _from_plain(plain: Any, tensors: Mapping[str, Tensor]) -> Finding:
    def get(name: str | None) -> Tensor | None:
        return None if name is None else tensors[name]

    def shaped(name: str, stride: list[int]) -> Tensor:
        tensor = tensors[name]
        if list(tensor.stride()) == stride:
            return tensor
        return tensor.new_empty_strided(tensor.shape, stride).copy_(tensor)

    return Finding(
        tensors={int(step): shaped(*one) for step, one in plain["tensors"].items()},
        biases={int(step): tensors[one] for step, one in plain["biases"].items()},
        rounded={
            int(step): Rounded(
                shaped(one["values"], one["stride"]), _grid_from(one["grid"], get), _basis_from(one["basis"]),
                get(one["side"]), one.get("beside", 0),
            )
            for step, one in plain["rounded"].items()
        },
        quants={
            int(step): LayerQuant(
                msgspec.convert(one["plan"], LayerPlan),
                _grid_from(one["activation"], get), one["axis"], one["int32_bias"], _basis_from(one["basis"]),
            )
            for step, one in plain["quants"].items()
        },
    )  # fmt: skip


def _grid_plain(grid: Grid | None, put: Callable[[Tensor | None], str | None]) -> dict[str, Any] | None:
    if grid is None:
        return None
    if isinstance(grid, QParams):
        return {
            "scale": put(grid.scale), "zero_point": put(grid.zero_point), "codes": [grid.qmin, grid.qmax],
            "size": grid.group_size,
        }  # fmt: skip
    return {
        "form": grid.form.name, "levels": put(grid.levels), "scale": put(grid.scale), "size": grid.group_size,
        "offset": put(grid.offset), "used": grid.used, "entries": grid.entries,
    }  # fmt: skip


def _grid_from(plain: Any, get: Callable[[str | None], Tensor | None]) -> Grid | None:
    if plain is None:
        return None
    if "codes" in plain:
        qmin, qmax = plain["codes"]
        return QParams(_there(get(plain["scale"])), _there(get(plain["zero_point"])), qmin, qmax, plain["size"])
    form = FORMATS.get(plain["form"]) or _ELEMENTS[plain["form"]]
    return LevelGrid(
        form, _there(get(plain["levels"])), _there(get(plain["scale"])), plain["size"], get(plain["offset"]),
        plain["used"], plain["entries"],
    )  # fmt: skip


def _there(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("a grid without a scale")
    return tensor


def _basis_plain(basis: Basis | None) -> dict[str, Any] | None:
    match basis:
        case None:
            return None
        case Rotated(seed=seed):
            return {"rotated": seed}
        case Scaled(factors=factors, axis=axis):
            return {"scaled": list(factors), "axis": axis}
        case Without(channels=channels, axis=axis):
            return {"without": list(channels), "axis": axis}
    raise TypeError(f"no way to keep {basis!r}")


def _basis_from(plain: Any) -> Basis | None:
    if plain is None:
        return None
    if "scaled" in plain:
        return Scaled(tuple(plain["scaled"]), plain["axis"])
    return Rotated(plain["rotated"]) if "rotated" in plain else Without(tuple(plain["without"]), plain["axis"])
