"""Activations: a value, and the value as a plan lets it through."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import TensorProto
from torch import Tensor

from qdebug.export.onnx.dynamic import Dynamic, is_plain, says
from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.notes import Notes
from qdebug.export.onnx.tensors import FLOAT8, HALVES, integer, tensor
from qdebug.formats import Float, find
from qdebug.quantize import Grid, LevelGrid, QParams, is_dynamic
from qdebug.recipes import TensorPlan

ROUNDING = "Activations are rounded half to even in the file; the recipe rounds otherwise"
FLOAT8_CASTS = (
    "Activations in float8 are written as casts between a division and a product with the scale, not as "
    "QuantizeLinear: ONNX Runtime 1.31 takes that for integers, refuses products of it and drops a ReLU before it"
)
NO_WORD = "ONNX has no operator that quantizes an activation to {}: it stays in float in the file"


@dataclass(frozen=True)
class Through:
    """How an activation is let through.

    Attributes:
        plan: the plan.
        grid: of a static plan with a scale.
    """

    plan: TensorPlan
    grid: Grid | None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal where values are rounded alike."""
        if isinstance(self.grid, QParams):
            return ("integer", self.grid.scale.item(), self.grid.zero_point.item(), self.grid.qmin, self.grid.qmax)
        if isinstance(self.grid, LevelGrid):
            return self.plan.format, self.grid.scale.item()
        return self.plan.format, self.plan.granularity, self.plan.symmetric, is_dynamic(self.plan)

    @property
    def is_pair(self) -> bool:
        """Whether codes are written and read again, so that runtimes can compute with them."""
        return self.opset is not None and (isinstance(self.grid, QParams) or is_plain(self.plan))

    @property
    def opset(self) -> int | None:
        """The oldest opset that can say it; None where ONNX cannot."""
        form = find(self.plan.format)
        if self.plan.format in HALVES:
            return 13 if self.plan.format == "bf16" else 7
        if is_dynamic(self.plan):
            return says(self.plan)
        if isinstance(self.grid, QParams):
            found = integer(self.grid.qmin, self.grid.qmax, smallest=8)
            return None if found is None else 10 if found[2] - found[1] == 255 else 21
        return 19 if isinstance(form, Float) and form.name in FLOAT8 else None


class Activations:
    """Adds what rounds activations, once for each value and way of rounding.

    Args:
        editor: the graph.
        notes: gets what cannot be said.
        half: the model's values are float16: they are cast to float32 to be rounded, and back.
    """

    def __init__(self, editor: Editor, notes: Notes, *, half: bool = False) -> None:
        self.editor = editor
        self.half_model = half
        self.notes = notes
        self._made: dict[tuple[object, ...], str] = {}
        self._held: dict[str, tuple[object, ...]] = {}

    def through(self, value: str, how: Through, place: str, output: str = "") -> str:
        """The name of a value as a plan lets it through; its own where it is so already, or cannot be.

        Args:
            value: the value.
            how: the plan.
            place: what to call it in a note.
            output: the name that the result must have, if any.
        """
        if how.opset is None:
            self.notes.add(NO_WORD.format(how.plan.format), place)
            return value
        if self._held.get(value) == how.key and not output:
            return value
        if how.plan.rounding != "half_even":
            self.notes.add(ROUNDING, place)
        key = (value, *how.key)
        if key not in self._made or output:
            self._made[key] = self._add(value, how, output or self.editor.fresh(f"{value}/dequantized"))
            self._held[self._made[key]] = how.key
        return self._made[key]

    def point(self, value: str, how: Through) -> None:
        """Let everybody who reads a value read it as a plan lets it through.

        An output of the model keeps its name: it is the rounded value then.
        """
        editor = self.editor
        if how.opset is None:
            self.notes.add(NO_WORD.format(how.plan.format), value)
            return
        readers = editor.readers(value)
        if value in editor.outputs:
            writer = editor.producer(value)
            assert writer is not None
            before = editor.fresh(f"{value}/float")
            editor.move_output(writer, value, before)
            self.through(before, how, value, value)
            return
        rounded = self.through(value, how, value)
        editor.reroute(value, rounded, readers)

    def _add(self, value: str, how: Through, result: str) -> str:
        if not self.half_model:
            return self._rounded(value, how, result)
        editor = self.editor
        if how.plan.format == "fp16":  # it is that already
            return editor.add("Identity", [value], result)
        key = (value, "float32")
        if key not in self._made:
            self._made[key] = editor.add("Cast", [value], editor.fresh(f"{value}/float32"), to=TensorProto.FLOAT)
        rounded = self._rounded(self._made[key], how, editor.fresh(f"{value}/rounded"))
        return editor.add("Cast", [rounded], result, to=TensorProto.FLOAT16)

    def _rounded(self, value: str, how: Through, result: str) -> str:
        if how.plan.format in HALVES:
            half = self.half(value, how.plan.format)
            return self.editor.add("Cast", [half], result, to=TensorProto.FLOAT)
        if is_dynamic(how.plan):
            if is_plain(how.plan):
                self.notes.add(
                    "A range taken at run time is that of the whole batch in the file (DynamicQuantizeLinear) and of "
                    "each sample in the simulation: they are equal at batch size 1",
                    value,
                )
            return Dynamic(self.editor, value).through(how.plan, result)
        if isinstance(how.grid, QParams):
            return self._static(value, how.grid, result)
        assert how.grid is not None
        self.notes.add(FLOAT8_CASTS)
        scale = self.editor.store(tensor(self.editor.fresh(f"{value}/scale"), how.grid.scale.reshape(())))
        return Dynamic(self.editor, value).float8(value, scale, how.plan.format, result)

    def half(self, value: str, form: str) -> str:
        """A value in 16 bits."""
        key = (value, form, "half")
        if key not in self._made:
            name = self.editor.fresh(f"{value}/{'float16' if form == 'fp16' else 'bfloat16'}")
            self._made[key] = self.editor.add("Cast", [value], name, to=HALVES[form])
        return self._made[key]

    def _static(self, value: str, grid: QParams, result: str) -> str:
        editor = self.editor
        found = integer(grid.qmin, grid.qmax, smallest=8)
        assert found is not None
        elem, low, high = found
        source = value if (low, high) == (grid.qmin, grid.qmax) else self._clipped(value, grid)
        parts = [editor.store(tensor(editor.fresh(f"{value}/scale"), grid.scale.reshape(())))]
        parts.append(editor.store(tensor(editor.fresh(f"{value}/zero_point"), grid.zero_point.reshape(()), elem)))
        codes = editor.add("QuantizeLinear", [source, *parts], editor.fresh(f"{value}/quantized"))
        return editor.add("DequantizeLinear", [codes, *parts], result)

    def _clipped(self, value: str, grid: QParams) -> str:
        """The value within what the codes can say, which are fewer than those of the type."""
        editor, name = self.editor, self.editor.fresh(f"{value}/clipped")
        limits: tuple[Tensor, Tensor] = (grid.clip_min.float().reshape(()), grid.clip_max.float().reshape(()))
        if editor.opset < 11:
            return editor.add("Clip", [value], name, min=float(limits[0]), max=float(limits[1]))
        words = ("clip_min", "clip_max")
        names = [
            editor.store(tensor(editor.fresh(f"{value}/{word}"), limit))
            for word, limit in zip(words, limits, strict=True)
        ]
        return editor.add("Clip", [value, *names], name)
