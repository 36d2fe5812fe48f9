"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import ModelProto

from qdebug.errors import ModelError

_LAYOUT = frozenset({
    "QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze",
    "ReorderInput", "ReorderOutput",
})  # fmt: skip
_KERNEL = "_kernel_time"


class Event(NamedTuple):
    """A node that the runtime has run: what it calls the node, its operator, and seconds."""

    name: str
    op: str
    seconds: float


class Session:
    """A model ready to run.

    Args:
        model: weights included, or the path of its file.
        threads: within an operator; 0 leaves it to the runtime.
        profile: where to write a profile, or None.

    Attributes:
        nodes: name and operator of every node that the runtime made of the model.
        operators: how many of each there are, of those that compute something.
        version: the runtime's.

    Raises:
        ModelError: the runtime is not installed, or refuses the model.
    """

    def __init__(self, model: ModelProto | Path, *, threads: int = 0, profile: Path | None = None) -> None:
        onnxruntime = _installed()
        self.version: str = onnxruntime.__version__
        with tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.intra_op_num_threads = threads
            options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
            if profile is not None:
                options.enable_profiling = True
                options.profile_file_prefix = str(profile)
            self._session = _opened(onnxruntime, _file(model, Path(folder)), options)
            optimized = onnx.load(options.optimized_model_filepath, load_external_data=False)
        self.nodes = tuple((node.name, node.op_type) for node in optimized.graph.node)
        # the same on codes, whatever way their memory is laid out
        self.operators: Counter[str] = Counter(op.removeprefix("Nhwc") for _, op in self.nodes if op not in _LAYOUT)

    def run(self, feeds: Mapping[str, np.ndarray], wanted: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Outputs by name, all or those wanted.

        Raises:
            ModelError: the runtime fails on them.
        """
        names = list(wanted) if wanted is not None else [one.name for one in self._session.get_outputs()]
        try:
            values = self._session.run(names, dict(feeds))
        except Exception as error:  # the runtime's own exceptions have no common base
            raise ModelError(
                f"ONNX Runtime cannot run the model: {str(error).splitlines()[0][:300]}",
                do="Try the file without optimizations, another recipe, or the runtime openvino.",
            ) from error
        return dict(zip(names, values, strict=True))

    def timed(self, feeds: Mapping[str, np.ndarray]) -> float:
        """Seconds of one run.

        Raises:
            ModelError: the runtime fails on it.
        """
        start = time.perf_counter()
        self.run(feeds)
        return time.perf_counter() - start

    def end_profile(self) -> tuple[Event, ...]:
        """Stop profiling; what has been run since the session was made, node by node."""
        events = json.loads(Path(self._session.end_profiling()).read_text("utf-8"))
        return tuple(
            Event(event["name"].removesuffix(_KERNEL), event.get("args", {}).get("op_name", ""), event["dur"] * 1e-6)
            for event in events
            if event.get("cat") == "Node" and event.get("name", "").endswith(_KERNEL)
        )


def _installed() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("ONNX Runtime is not installed", do="pip install 'qdebug[runtimes]'.") from None
    return onnxruntime


def _file(model: ModelProto | Path, folder: Path) -> Path:
    if isinstance(model, Path):
        return model
    file = folder / "model.onnx"
    onnx.save(model, str(file), save_as_external_data=model.ByteSize() > 2**30)
    return file


def _opened(onnxruntime: Any, file: Path, options: Any) -> Any:
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own exceptions have no common base
        raise ModelError(
            f"ONNX Runtime refuses the model: {str(error).splitlines()[0][:300]}",
            do="Check it with onnx.checker; a newer onnxruntime may know more operators.",
        ) from error
