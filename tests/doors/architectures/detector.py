"""A detector whose last step is NonMaxSuppression.

torch has no such operator, so this file defines one: what it computes, what shapes a trace sees, and the ONNX operator
that the exporter writes for it (by ``custom_translation_table``). Torch's own output can thus be held against the file.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from tests.doors.architectures.parts import conv

CLASSES, PER_CLASS, IOU, SCORE = 3, 4, 0.4, 0.3
SIDE = 32  # of the images, in pixels
CELLS = 8  # cells along a side; two boxes in each


def _overlap(box: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of ``[4]`` with ``[K, 4]``, corners as y1, x1, y2, x2."""
    near, far = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    common = (far - near).clamp(min=0).prod(1)
    return common / ((box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - common)


def suppress(boxes: Tensor, scores: Tensor) -> Tensor:
    """The boxes that greedy suppression keeps, image by image, class by class, best first.

    The operator as https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html states it.

    Args:
        boxes: ``[N, boxes, 4]``, two opposite corners y1, x1, y2, x2.
        scores: ``[N, classes, boxes]``.

    Returns:
        int64 ``[kept, 3]``: image, class, box.
    """
    kept: list[tuple[int, int, int]] = []
    for image in range(len(boxes)):
        for label, row in enumerate(scores[image]):
            mine: list[int] = []
            for box in row.argsort(descending=True, stable=True).tolist():
                if len(mine) == PER_CLASS or row[box] <= SCORE:
                    break
                if not mine or float(_overlap(boxes[image, box], boxes[image, mine]).max()) <= IOU:
                    mine.append(box)
            kept += [(image, label, box) for box in mine]
    return torch.tensor(kept, dtype=torch.int64).reshape(-1, 3)


@cache
def operator() -> torch._ops.OpOverload:
    """``suppress`` as an operator of torch; a trace sees a number of rows that only the values tell."""
    made = torch.library.custom_op("architectures::suppress", suppress, mutates_args=())

    @made.register_fake
    def _(boxes: Tensor, scores: Tensor) -> Tensor:
        return boxes.new_empty((torch.library.get_ctx().new_dynamic_size(), 3), dtype=torch.int64)

    return torch.ops.architectures.suppress.default


def translations() -> dict:
    """What the exporter writes for the operator."""
    from onnxscript import opset18 as op

    def written(boxes, scores):
        limits = (op.Constant(value_int=PER_CLASS), op.Constant(value_float=IOU), op.Constant(value_float=SCORE))
        return op.NonMaxSuppression(boxes, scores, *limits)

    return {operator(): written}


def register_for_old_exporter(opset: int) -> None:
    """Tells torch's older exporter what to write for the operator."""

    def written(g, boxes, scores):
        limits = [torch.tensor([PER_CLASS]), torch.tensor([IOU]), torch.tensor([SCORE])]
        return g.op("NonMaxSuppression", boxes, scores, *(g.op("Constant", value_t=limit) for limit in limits))

    torch.onnx.register_custom_op_symbolic("architectures::suppress", written, opset)


class Detector(nn.Module):
    """Convolutions, a head of boxes and scores on a grid of cells, suppression, and the kept boxes gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(3, 12, stride=2), conv(12, 24, stride=2), conv(24, 24))
        self.scores, self.boxes = nn.Conv2d(24, 2 * CLASSES, 3, padding=1), nn.Conv2d(24, 8, 1)
        line = (torch.arange(CELLS) + 0.5) * SIDE / CELLS
        centres = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 1, 2)
        self.register_buffer("centres", centres.expand(-1, 2, -1).reshape(-1, 2))
        self.operator = operator()

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, 3, 32, 32]`` to boxes ``[N, boxes, 4]`` in pixels and scores ``[N, classes, boxes]``."""
        x = self.body(images)
        scores = self.scores(x).unflatten(1, (2, CLASSES)).permute(0, 2, 3, 4, 1).flatten(2).sigmoid()
        shifts, sizes = self.boxes(x).unflatten(1, (2, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3).split(2, -1)
        middle, half = self.centres + 4 * shifts.tanh(), SIDE / 8 * sizes.clamp(-1, 1).exp()
        return torch.cat([middle - half, middle + half], -1), scores

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[N, 3, 32, 32]`` to kept boxes ``[kept, 4]``, scores ``[kept]``, places ``[kept, 3]`` (``suppress``)."""
        boxes, scores = self.candidates(images)
        kept = self.operator(boxes, scores)
        image, label, box = kept.unbind(1)
        return boxes[image, box], scores[image, label, box], kept
