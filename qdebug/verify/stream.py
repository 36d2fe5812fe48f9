"""One artefact in ONNX Runtime and in both simulations, batch after batch: memory holds one batch and the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from qdebug.doors.onnx import from_proto, lower_onnx
from qdebug.graph.program import Program
from qdebug.results import Agreement, VerifiedTensor
from qdebug.verify.integer.plan import integer_file
from qdebug.verify.integer.runtime import Opened, opened
from qdebug.verify.integer.walk import walk
from qdebug.verify.kernels import by_node
from qdebug.verify.runtimes import Runtimes

Check = Callable[[], None]


@dataclass
class _Count:
    differing: int = 0
    largest: int = 0

    def add(self, apart: Tensor) -> None:
        self.differing += int((apart > 0).sum())
        self.largest = max(self.largest, int(apart.max()) if apart.numel() else 0)

    def told(self) -> Agreement:
        return Agreement(differing=self.differing, largest=self.largest)


@dataclass(frozen=True)
class Outputs:
    """The scored output of a batch: in the runtime, and in the float and the integer simulation of the file."""

    real: Tensor
    float: Tensor
    integer: Tensor


class Stream:
    """Holds codes against each other.

    Args:
        path: a quantized ONNX file.
        check: is called between steps, and may raise to stop.
        using: what runs the file; by default this process.

    Raises:
        FileError, ModelError: the file cannot be read, or the runtime refuses it.
    """

    def __init__(self, path: Path, check: Check, using: Runtimes | None = None) -> None:
        proto = onnx.load(str(path))
        file = from_proto(proto)
        self.runtime: Opened = opened(proto, using)
        self._check = check
        kernels = integer_file(file)
        self._float: Program = lower_onnx(file).program
        self._integer: Program = lower_onnx(kernels).program
        self._scored = self._float.scored
        self._makers = {name: (node.name, node.op) for node in kernels.model.graph.nodes for name in node.outputs}
        self._elements: dict[str, int] = {}
        self._counts: dict[str, dict[str, _Count]] = defaultdict(lambda: defaultdict(_Count))

    @property
    def kernels(self) -> dict[str, str]:
        """The runtime's operator by node."""
        return by_node(self.runtime.nodes)

    def add(self, feeds: Mapping[str, Tensor]) -> Outputs:
        """Run a batch everywhere and count what differs."""
        values, found = self.runtime.run({name: tensor.numpy() for name, tensor in feeds.items()})
        codes = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in found.items()}
        for name, value in codes.items():
            self._elements[name] = self._elements.get(name, 0) + value.numel()
        simulated = self._walk(self._float, feeds, codes, "float", fed=False)
        self._walk(self._float, feeds, codes, "fed", fed=True)
        integer = self._walk(self._integer, feeds, codes, "integer", fed=False)
        real = torch.from_numpy(np.ascontiguousarray(values[self._scored]))
        return Outputs(real, simulated, integer)

    def outputs(self, feeds: Mapping[str, Tensor]) -> Outputs:
        """Run a batch everywhere without looking at codes."""
        given = {name: tensor.numpy() for name, tensor in feeds.items()}
        real = self.runtime.plain.run(given, [self._scored])[self._scored]
        one, two = (self._walk(program, feeds, {}, "", fed=False) for program in (self._float, self._integer))
        return Outputs(torch.from_numpy(np.ascontiguousarray(real)), one, two)

    def rows(self) -> tuple[VerifiedTensor, ...]:
        """Every quantized value that all readings have, in the order they are computed in."""
        order = [name for name in self._counts["integer"] if name in self._counts["float"]]
        ran = self.kernels
        return tuple(
            VerifiedTensor(
                value=name, node=node, kernel=_kernel(node, op, ran), elements=self._elements[name],
                integer=self._counts["integer"][name].told(), float_=self._counts["float"][name].told(),
                fed=self._counts["fed"][name].told(),
            )
            for name in order
            for node, op in (self._makers.get(name, ("", "")),)
        )  # fmt: skip

    def missing(self) -> tuple[str, ...]:
        """Values whose codes the runtime shows and a simulation does not have."""
        return tuple(name for name in self._elements if name not in self._counts["integer"])

    def _walk(
        self, program: Program, feeds: Mapping[str, Tensor], codes: Mapping[str, Tensor], mode: str, *, fed: bool
    ) -> Tensor:
        last: dict[str, Tensor] = {}
        wanted = program.steps[program.output].name

        def look(name: str, value: Any) -> Any:
            self._check()
            if name == wanted and isinstance(value, Tensor):
                last[name] = value
            known = codes.get(name)
            if known is None or not isinstance(value, Tensor) or value.is_floating_point():
                return value
            self._counts[mode][name].add((value.int() - known.int()).abs())
            return known if fed else value

        walk(program, feeds, look)
        return last[wanted]


def _kernel(node: str, op: str, ran: Mapping[str, str]) -> str:
    """What the runtime computes a value with: its own operator where it kept the node's name, else ours for it."""
    known = ran.get(node, op)
    return "float" if known in ("QuantizeLinear", "DequantizeLinear", "") else known
