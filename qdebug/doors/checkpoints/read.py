"""Which storage a checkpoint has, which of its tensors belong to quantized layers, and each layer when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from qdebug.doors.checkpoints import awq, bitsandbytes, compressed, fp8, gptq, modelopt, torchao
from qdebug.doors.checkpoints.config import entry, words
from qdebug.doors.checkpoints.parts import FLOATS, Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError, near

Reader = Callable[[Parts, Mapping[str, Any]], StoredLinear]


@dataclass(frozen=True)
class Method:
    """A way of storing.

    Attributes:
        title: what people call it.
        read: one layer.
        marks: tensors of which a quantized module has one.
        parts: all tensors that a quantized module may have on top of its bias.
    """

    title: str
    read: Reader
    marks: tuple[str, ...]
    parts: frozenset[str]


_PACKED = frozenset({"qweight", "qzeros", "scales", "g_idx"})
_COMPRESSED = frozenset({
    "weight", "weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx",
    "weight_global_scale", "input_scale", "input_zero_point", "input_global_scale", "output_scale",
    "output_zero_point",
})  # fmt: skip
_FP8 = frozenset({"weight", "weight_scale", "weight_scale_inv", "input_scale", "activation_scale", "input_scale_ub"})
_BNB = frozenset({
    "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
    bitsandbytes.NF4_STATE, bitsandbytes.FP4_STATE, "SCB", "weight_format",
})  # fmt: skip

#: Every ``quant_method`` that there is a reading of.
METHODS: dict[str, Method] = {
    "compressed-tensors": Method("compressed-tensors", compressed.read, (compressed.MARK,), _COMPRESSED),
    "gptq": Method("GPTQ", gptq.read, (gptq.MARK,), _PACKED),
    "awq": Method("AWQ", awq.read, (awq.MARK,), _PACKED),
    "bitsandbytes": Method(
        "bitsandbytes", bitsandbytes.read, ("SCB", bitsandbytes.NF4_STATE, bitsandbytes.FP4_STATE), _BNB
    ),
    "fp8": Method("FP8", fp8.read, ("weight_scale_inv", "weight_scale"), _FP8),
    "fbgemm_fp8": Method("FBGEMM FP8", fp8.read_rows, ("weight_scale",), _FP8),
    "modelopt": Method("ModelOpt", modelopt.read, ("weight_scale",), _FP8 | {"weight_scale_2"}),
    "torchao": Method("torchao", torchao.read, torchao.MARKS, torchao.PARTS),
}  # fmt: skip


@dataclass(frozen=True)
class Checkpoint:
    """A quantized checkpoint.

    Attributes:
        method: its ``quant_method``.
        config: its ``quantization_config``.
        tensors: all its tensors, by name.
        modules: the quantized layers, by path.
        unsaid: what of the config is about more than single layers and is not taken over.
    """

    method: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    modules: tuple[str, ...]
    unsaid: tuple[str, ...] = ()

    def linear(self, module: str) -> StoredLinear:
        """One layer, decoded anew at each call.

        Raises:
            FileError: a tensor is missing or of another shape than the others say.
            ModelError: the config does not say how to read it.
        """
        return METHODS[self.method].read(Parts(module, self.tensors), self.config)

    def plain(self) -> Iterator[str]:
        """Names of the tensors that are no part of a quantized layer's weight: norms, embeddings, biases."""
        taken = {f"{module}.{part}" for module in self.modules for part in METHODS[self.method].parts}
        return (name for name in self.tensors if name not in taken)

    def floats(self) -> Iterator[tuple[str, Tensor]]:
        """The float model's tensors, one at a time: plain ones as they are, weights of quantized layers decoded.

        Raises:
            QDebugError: see :meth:`linear`.
        """
        for name in self.plain():
            yield name, self.tensors[name]
        for module in self.modules:
            yield f"{module}.weight", self.linear(module).weight


def read_checkpoint(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint whose ``config.json`` has a ``quantization_config``. Reads no tensor but those that mark layers.

    Args:
        tensors: by name; :class:`qdebug.doors.checkpoints.Shards` of the folder.
        config: the ``quantization_config``.

    Raises:
        ModelError: the method is unknown, or nothing is stored as it says.
    """
    method = _method(config)
    unsaid = compressed.check(config) if method == "compressed-tensors" else ()
    marks = METHODS[method].marks
    modules = {name.removesuffix(f".{mark}") for name in tensors for mark in marks if name.endswith(f".{mark}")}
    kept = words(config, "modules_to_not_convert")
    modules = {one for one in modules if not (method in ("fp8", "modelopt") and _is_plain(one, tensors))}
    if not modules:
        raise ModelError(
            f"The config says {METHODS[method].title}, and no layer is stored so", file="config.json",
            do=f"A layer has {' or '.join(marks)}." + (f" Left out: {', '.join(kept[:5])}." if kept else ""),
        )  # fmt: skip
    return Checkpoint(method, config, tensors, tuple(sorted(modules, key=natural)), unsaid)


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A key that sorts ``layers.2`` before ``layers.10``."""
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in name.split("."))


def _is_plain(module: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a module with scales has float weights nevertheless (scales of a cache, say)."""
    name = f"{module}.weight"
    return name not in tensors or tensors[name].dtype in FLOATS


def _method(config: Mapping[str, Any]) -> str:
    said = config.get("quant_method")
    if said is None and (config.get("load_in_8bit") or config.get("load_in_4bit")):
        return "bitsandbytes"
    if said is None and "quant_algo" in entry(config, "quantization"):
        return "modelopt"
    if not isinstance(said, str) or said not in METHODS:
        what = (
            "names no quant_method"
            if said is None
            else f"names the quant_method {said!r}, of which there is no reading"
        )
        raise ModelError(
            f"The quantization_config {what}", file="config.json", do=near(str(said), METHODS)
        )  # fmt: skip
    return said
