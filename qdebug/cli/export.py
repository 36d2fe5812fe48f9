"""A recipe taken home: the model as quantized ONNX, or a file for another tool."""

from __future__ import annotations

import argparse

from qdebug.cli.opening import opened, refuse_inputs
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json
from qdebug.cli.progress import Reporter
from qdebug.results import Exported

SUMMARY = "write a recipe as quantized ONNX, or as a file that another tool reads"
EXAMPLES = """\
  qdebug export model.onnx --data val.npz --preset w8a8-pc-all --to onnx -o model.int8.onnx
  qdebug export digits-mobilenet --fix cle,bias-correction --to onnx -o mobilenet.onnx
  qdebug export model.onnx --data val.npz --recipe mine.yaml --to nncf -o .
  qdebug export ./SmolLM-135M --data texts.jsonl --preset w4g128 --fix gptq --to compressed-tensors -o ./SmolLM-w4
  qdebug export ./SmolLM-135M --data texts.jsonl --weight-format q4_k --activation-format fp32 --to gguf -o S.gguf"""
TARGETS = (
    "onnx (the model itself, quantized), or a file for a tool: onnxruntime, nncf, tensorrt, aimet-1, aimet-2, "
    "modelopt, litert, tflite-debugger, llm-compressor, torchao, bitsandbytes, quanto, llama-cpp, model-explorer, "
    "model-explorer-formats, model-explorer-shares; or, of a Hugging Face folder, a quantized one: compressed-tensors, "
    "gptq, awq; or, of such a folder, gguf (the model for llama.cpp)"
)
"""What can be written, in words; naming it here spares the help text from loading torch."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument("--to", metavar="TARGET", required=True, help=TARGETS)
    parser.add_argument("-o", "--output", metavar="PATH", required=True, help="the file, or the folder it goes to")


def run(options: argparse.Namespace) -> None:
    """Write the file and say what it could not say."""
    with Reporter("loading torch") as reporter:
        from qdebug.export import check_target, export_file

        check_target(options.to)
        refuse_inputs(options, options.output)
        session, recipe = opened(options, reporter)
        written = export_file(session, recipe, options.to, options.output, work=reporter.work)
    print_json(written) if options.json else print(describe(written))


def describe(written: Exported) -> str:
    """What was written, as text."""
    from qdebug.figures.numbers import size
    from qdebug.figures.text import plural

    parts = [f"{written.path}: {size(written.bytes)}"]
    if written.opset:
        parts[0] += f", opset {written.opset}, {plural(written.added, 'node')} added"
    for title, lines in (
        ("What the recipe says and the file cannot:", written.unsaid),
        ("Names that the file no longer has:", written.gone),
    ):
        if lines:
            parts += ["", title, *(f"  {line}" for line in lines)]
    return "\n".join(parts)
