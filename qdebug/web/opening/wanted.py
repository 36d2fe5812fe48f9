"""A model that is not open, in words: what data it wants, and what can be seen of it anyway. Pure."""

from __future__ import annotations

from qdebug.figures import numbers
from qdebug.figures.text import escaped, input_in_words, plural
from qdebug.results import LayerInfo, ModelInfo

MOST_ROWS = 400


def wanted_html(info: ModelInfo) -> str:
    """What a data file for a model must hold."""
    rows = "".join(
        f'<dt><code class="q-name">{escaped(spec.name)}</code></dt><dd>{escaped(input_in_words(spec))}</dd>'
        for spec in info.inputs
    )
    return (
        f'<div class="q-wanted"><p>The data, an .npz, must hold:</p><dl class="q-facts">{rows}'
        '<dt><code class="q-name">labels</code></dt><dd>int64 [N], if there are any: a class per sample</dd></dl>'
        f"{_TEXT if reads_text(info) else ''}</div>"
    )


_TEXT = '<p>Or text: a .jsonl with <code>{"text": "…"}</code> in each line, or a .txt.</p>'


def reads_text(info: ModelInfo) -> bool:
    """Whether a model brings a tokenizer for its data."""
    return info.source == "huggingface" and any(spec.name == "input_ids" for spec in info.inputs)


def headline_html(info: ModelInfo) -> str:
    """The finding: what the model is, and that it waits for data or cannot be run."""
    next_step = "Give it data to see what quantization breaks" if info.runs else "It can be looked at, but not run"
    return (
        f'<h1 class="q-verdict"><code class="q-name">{escaped(info.name)}</code> has '
        f"{plural(len(info.layers), 'layer')} and {numbers.count(info.params)} parameters. "
        f"{next_step}.</h1>"
    )


def inside_html(info: ModelInfo) -> str:
    """Layers, and the operators that cannot be run."""
    unknown = ""
    if info.not_understood:
        lines = "".join(f"<li>{escaped(one)}</li>" for one in info.not_understood[:MOST_ROWS])
        unknown = f'<h3 class="q-chart-title">Not understood</h3><ul class="q-sites">{lines}</ul>'
    rows = "".join(map(_row, info.layers[:MOST_ROWS]))
    more = len(info.layers) - MOST_ROWS
    rest = f'<p class="q-quiet">and {plural(more, "layer")} more</p>' if more > 0 else ""
    return (
        f'{unknown}<h3 class="q-chart-title">{plural(len(info.layers), "layer")}, {numbers.size(info.float_bytes)} of '
        'parameters</h3><table class="q-inside"><thead><tr><th>layer</th><th>operator</th><th>weight</th>'
        f"<th>parameters</th><th>MACs per sample</th></tr></thead><tbody>{rows}</tbody></table>{rest}"
    )


def _row(layer: LayerInfo) -> str:
    weight = "×".join(map(str, layer.weight_shape))
    macs = numbers.count(layer.macs) if layer.macs else "–"
    return (
        f'<tr><td><code class="q-name">{escaped(layer.name)}</code></td><td>{escaped(layer.op)}</td>'
        f"<td>{weight}</td><td>{numbers.count(layer.params)}</td><td>{macs}</td></tr>"
    )
