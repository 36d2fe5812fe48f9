"""What quantized weights change in layers' outputs, on the float model's inputs."""

from __future__ import annotations

import torch

from qdebug.engine import Work
from qdebug.methods.inputs import design_of
from qdebug.quantize import rows
from qdebug.recipes import Recipe


def layer_inputs(session, layer, sheet):
    """What a layer multiplies with on the calibration data, ``[groups, n, K]`` float64."""
    engine = session.subject.engine
    design = design_of(engine, layer)
    found = [
        design.rows(batch.real_rows(engine.values(sheet, batch, (layer.x,))[layer.x]))
        for batch in session.subject.calib_batches
    ]
    return design, torch.cat(found, 1).double()


def squared_changes(session, recipe):
    """The squared change of each quantized layer's output by its own weight alone, summed over the calibration data."""
    preparer, cache = session.preparer, session.subject.engine.cache
    sheet = preparer.sheet(recipe, Work())
    plain = preparer.float_with_fixes(recipe, Work())
    found = {}
    for layer in session.subject.layers:
        if layer.kind == "embedding" or layer.step not in sheet.quants:
            continue
        design, x = layer_inputs(session, layer, plain)
        off = rows(sheet.weight(layer, cache) - plain.constant(layer.weight, cache), layer.out_axis).double()
        found[layer.name] = float(design.products(x, off).square().sum())
    return found


def without_fixes(recipe):
    """The same recipe, rounded to nearest."""
    return Recipe(default=recipe.default)
