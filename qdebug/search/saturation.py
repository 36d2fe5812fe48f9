"""Which layers would come out wrong on CPUs that add products of bytes in 16 bits.

Without VNNI, x86 CPUs multiply unsigned by signed bytes with ``vpmaddubsw``: two products that lie side by side along
the reduction are added in 16 bits and clipped there before they join the 32-bit sum (Intel 64 manual; ONNX Runtime's
documentation on quantization calls for 7-bit weights on such CPUs).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.nn import functional as F

from qdebug.engine import Work
from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.quantize import QParams, quantize, rows
from qdebug.results import Saturation
from qdebug.session import Session
from qdebug.session.decided import Decided, DecidedLayer

LIMIT = 32767
SAMPLES = 8
_CHUNK = 1 << 22


def saturation(session: Session, decided: Decided, work: Work) -> tuple[Saturation, ...]:
    """Pairs of products that would not fit, layer by layer, on the first samples of the evaluation data.

    Pairs are neighbours along the reduction in the order in which ONNX Runtime packs it: of a matrix product the
    inputs in their order, of a convolution channel after channel at each place of the kernel. Only unsigned activations
    against signed weights are at risk; other layers are left out.
    """
    return tuple(_layers(session, decided, work))


def _layers(session: Session, decided: Decided, work: Work) -> Iterator[Saturation]:
    for layer in decided.layers:
        if not _at_risk(layer):
            continue
        work.check()
        assert layer.activation is not None and isinstance(layer.activation.grid, QParams)
        x = session.value(decided.recipe, layer.layer.x, SAMPLES, work)
        weights = _weight_codes(layer)
        columns = _columns(session, layer.layer, quantize(x, layer.activation.grid), layer.activation.grid)
        if columns is not None:
            pairs, over = _counted(columns, weights, layer.layer.groups, work)
            yield Saturation(layer=layer.node, pairs=pairs, saturating=over)


def _at_risk(layer: DecidedLayer) -> bool:
    grids = layer.activation.grid if layer.activation else None, layer.weight.grid
    if not all(isinstance(grid, QParams) for grid in grids) or grids[1].group_size:  # type: ignore[union-attr]
        return False
    x, w = grids
    assert isinstance(x, QParams) and isinstance(w, QParams)
    eight = all(find(one.plan.format).bits == 8 for one in (layer.activation, layer.weight) if one)
    return eight and x.qmin == 0 and w.qmin < 0 and layer.layer.kind in ("conv", "matmul")


def _weight_codes(layer: DecidedLayer) -> Tensor:
    """Codes ``[out, in / groups · kernel]``, the channels of one place of the kernel side by side."""
    grid = layer.weight.grid
    assert isinstance(grid, QParams)
    codes = quantize(rows(layer.values, layer.layer.out_axis), grid)
    if layer.layer.kind == "matmul":
        return codes.int()
    channels = layer.values.shape[layer.layer.in_axis]
    return codes.reshape(len(codes), channels, -1).transpose(1, 2).reshape(len(codes), -1).int()


def _columns(session: Session, layer: Layer, codes: Tensor, grid: QParams) -> Tensor | None:
    """Codes ``[groups, positions, in / groups · kernel]`` as the weights meet them; None where that is not known."""
    if layer.kind == "matmul":
        return codes.reshape(1, -1, codes.shape[-1]).int()
    step = session.subject.program.steps[layer.step]
    if step.op not in ("aten.conv2d.default", "onnx.conv") or codes.dim() != 4:
        return None
    given = [step.args[place] if place < len(step.args) else default for place, default in ((3, 1), (4, 0), (5, 1))]
    strides, pads, dilations = ([one, one] if isinstance(one, int) else list(one) for one in given)
    if step.op == "onnx.conv" and (len(step.args) > 7 and str(step.args[7]) not in ("NOTSET", "")):
        return None
    ends = pads if len(pads) == 4 else [*pads, *pads]
    zero = float(grid.zero_point)
    padded = F.pad(codes.float(), (ends[1], ends[3], ends[0], ends[2]), value=zero)
    kernel = session.subject.program.state[layer.weight].shape[2:]
    found = F.unfold(padded, tuple(kernel), tuple(dilations), 0, tuple(strides))
    samples, _, positions = found.shape
    split = found.view(samples, layer.groups, -1, kernel[0] * kernel[1], positions)
    return split.permute(1, 0, 4, 3, 2).reshape(layer.groups, samples * positions, -1).int()


def _counted(columns: Tensor, weights: Tensor, groups: int, work: Work) -> tuple[int, int]:
    """All pairs, and those that would be clipped."""
    per_group = weights.view(groups, -1, weights.shape[1])
    half = weights.shape[1] // 2
    over = 0
    for x, w in zip(columns, per_group, strict=True):
        first, second = w[:, 0 : 2 * half : 2], w[:, 1 : 2 * half : 2]
        # only weights that are large together can do it at all
        places = ((first.abs() + second.abs()) * 255 > LIMIT).nonzero()
        for part in places.split(max(1, _CHUNK // max(len(x), 1))):
            work.check()
            row, pair = part[:, 0], part[:, 1]
            sums = x[:, 2 * pair] * first[row, pair] + x[:, 2 * pair + 1] * second[row, pair]
            over += int(((sums > LIMIT) | (sums < -LIMIT - 1)).sum())
    return weights.shape[0] * half * columns.shape[1], over
