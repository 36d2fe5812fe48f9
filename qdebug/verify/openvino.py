"""OpenVINO on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qdebug.errors import ModelError

_INTEGERS = ("u8", "i8")


class Model:
    """A file compiled for the CPU.

    Args:
        path: the file.
        scored: name of the output that is looked at.
        rewriting: let OpenVINO rewrite the graph so that it runs in integers, as it does for a user; without, it
            computes the file as it reads.

    Attributes:
        kernels: how many of each kind of operator run, such as ``Convolution u8``.
        by_node: for each node of the file, what runs it: ``QLinearConv``-like integer kernels go by ``MatMulInteger``,
            others by their kind in floats.
        version: the runtime's.

    Raises:
        ModelError: OpenVINO is not installed, or refuses the file.
    """

    def __init__(self, path: Path, scored: str, *, rewriting: bool = True) -> None:
        self._scored = scored
        openvino = _installed()
        self.version: str = str(openvino.__version__).split("-")[0]
        try:
            core = openvino.Core()
            how = {"INFERENCE_PRECISION_HINT": "f32", **({} if rewriting else {"LP_TRANSFORMS_MODE": "NO"})}
            self._compiled: Any = core.compile_model(str(path), "CPU", how)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise ModelError(f"OpenVINO refuses the model: {reason}", do="Try the runtime onnxruntime.") from error
        self.kernels, self.by_node = self._executed()

    def run(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output of a batch that is scored.

        Raises:
            ModelError: the runtime fails on it.
        """
        try:
            found = self._compiled(dict(feeds))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise ModelError(f"OpenVINO cannot run the model: {reason}", do="Try the runtime onnxruntime.") from error
        return np.array(found[self._compiled.output(self._scored)])

    def _executed(self) -> tuple[dict[str, int], dict[str, str]]:
        """Kinds and precisions of the operators that run, counted, and by the file's nodes."""
        counts: Counter[str] = Counter()
        nodes: dict[str, str] = {}
        for op in self._compiled.get_runtime_model().get_ordered_ops():
            facts = {
                key: str(value.value) if hasattr(value, "value") else str(value) for key, value in op.rt_info.items()
            }
            kind, precision = facts.get("layerType", ""), facts.get("runtimePrecision", "").lower()
            if not kind or kind in ("Input", "Output", "Const", "Reorder"):
                continue
            counts[f"{kind} {precision}".strip()] += 1
            integer = precision in _INTEGERS
            for name in facts.get("originalLayersNames", "").split(","):
                if name:
                    nodes.setdefault(name, "MatMulInteger" if integer else kind)
        return dict(counts), nodes


def _installed() -> Any:
    try:
        import openvino
    except ImportError:
        raise ModelError("OpenVINO is not installed", do="pip install 'qdebug[runtimes]'.") from None
    return openvino
