"""Batch normalizations that the session folded into the layer before them: folded in the file as well."""

from __future__ import annotations

from collections.abc import Collection

from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.sites import Site


def fold_norm(editor: Editor, site: Site, known: Collection[str]) -> str:
    """Take out the normalization behind a layer if the session did; the layer writes its value then.

    Args:
        editor: the graph.
        site: the layer.
        known: names of all values in the session's program.

    Returns:
        the name that the layer's value had before, or nothing where there was nothing to fold.
    """
    value = site.output
    readers = editor.readers(value)
    if len(readers) != 1 or value in editor.outputs:
        return ""
    norm = readers[0]
    if norm.op_type != "BatchNormalization" or norm.input[0] != value or norm.output[0] in known:
        return ""
    result = norm.output[0]
    editor.move_output(norm, result, editor.fresh(f"{result}/unfolded"))
    editor.move_output(site.last, value, result)
    editor.remove(norm)
    return value
