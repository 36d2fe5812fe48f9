"""A model's layers, where fixes could apply, and what was not understood. Nothing is quantized."""

from __future__ import annotations

import argparse

from qdebug.cli.options import add_model
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import ModelInfo

SUMMARY = "layers: name, operator, shapes, parameters, MACs; where fixes could apply"
EXAMPLES = """\
  qdebug inspect digits-mobilenet
  qdebug inspect model.onnx
  qdebug inspect model.pt2 --json"""
_KEYS = ("name", "op", "weight_shape", "params", "macs")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser, judged=False)


def run(options: argparse.Namespace) -> None:
    """Open the model and print what it is made of."""
    with Reporter("loading torch") as reporter:
        from qdebug import session

        info = session.inspect(options.model, options.data, options.calib, work=reporter.work)
    if options.json:
        print_json(plain(info))
    else:
        print(describe(info))


def plain(info: ModelInfo) -> dict[str, object]:
    """The object that ``--json`` prints."""
    return {
        "model": info.name,
        "digest": info.digest,
        "source": info.source,
        "task": info.task,
        "inputs": info.inputs,
        "params": info.params,
        "layers": [{key: getattr(layer, key) for key in _KEYS} for layer in info.layers],
        "patterns": info.patterns,
        "not_understood": info.not_understood,
        "findings": info.findings,
    }


def describe(info: ModelInfo) -> str:
    """The same as text."""
    from qdebug.figures.numbers import count, size
    from qdebug.figures.text import input_in_words, plural

    inputs = "; ".join(f"{spec.name} {input_in_words(spec)}" for spec in info.inputs)
    parts = [
        f"{info.name}{': ' + info.title if info.title else ''}",
        f"{info.task}, {count(info.params)} parameters, {size(info.float_bytes)}",
        f"inputs {inputs}",
        f"digest {info.digest}",
        "",
        table(
            ("layer", "operator", "weight", "parameters", "MACs per sample"),
            [
                (layer.name, layer.op, "×".join(map(str, layer.weight_shape)), count(layer.params), count(layer.macs))
                for layer in info.layers
            ],
            align="<<<>>",
        ),
    ]
    if info.patterns:
        applicable = sum(pattern.refused is None for pattern in info.patterns)
        parts += ["", f"Fixes could apply at {applicable} of {plural(len(info.patterns), 'place')}:"]
        for pattern in info.patterns:
            refused = f"  refused: {pattern.refused}" if pattern.refused else ""
            parts.append(f"  {pattern.kind}  {pattern.path}{refused}")
    for title, lines in (("Not understood:", info.not_understood), ("Findings:", info.findings)):
        if lines:
            parts += ["", title, *(f"  {line}" for line in lines)]
    return "\n".join(parts)
