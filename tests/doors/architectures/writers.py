"""Torch's two exporters.

The newer one, on ``torch.export``, writes opset 18 and later, and 17 where ONNX's converter can go down: where a mean
over axes is in the network it cannot and the file stays at 18, which only a line of the log says; a Split it leaves
with an attribute that opset 17 does not know. The older one traces. Its files have constants as nodes and shapes
computed step by step, and are what people have from earlier years.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from tests.doors.architectures.record import Architecture


def write(zoo: Architecture, module: nn.Module, example: dict[str, Tensor], path: Path, opset: int) -> None:
    """Writes a module as one ONNX file with its batch left open, by the exporter that ``zoo`` names."""
    import torch

    if zoo.traced:
        choices = {"dynamic_axes": {name: {0: "batch"} for name in example}}
        if zoo.register is not None:
            zoo.register(opset)
    else:
        choices = {
            "dynamic_shapes": tuple({0: torch.export.Dim("batch")} for _ in example),
            "custom_translation_table": zoo.translations(),
            "verbose": False,
        }
    torch.onnx.export(
        module,
        tuple(example.values()),
        path,
        dynamo=not zoo.traced,
        opset_version=opset,
        input_names=list(example),
        output_names=list(zoo.outputs),
        external_data=False,
        **choices,
    )
