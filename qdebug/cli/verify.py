"""What was decided, held against a real runtime: codes, predictions and, on request, time."""

from __future__ import annotations

import argparse

import msgspec

from qdebug.cli.opening import opened
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import Latency, Verified, VerifiedTensor

SUMMARY = "the exported file run in a real runtime, held against the simulation layer by layer"
EXAMPLES = """\
  qdebug verify digits-mobilenet --preset w8a8-pc-all
  qdebug verify model.onnx --data val.npz --recipe mine.yaml --runtime openvino
  qdebug verify model.onnx --data val.npz --preset w8a8-pc-all --simulate integer --latency --json"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument(
        "--runtime", default="onnxruntime", metavar="R", help="onnxruntime (default) or openvino; on the CPU"
    )
    parser.add_argument(
        "--simulate",
        choices=("float", "integer"),
        default="float",
        help="which simulation the metric and the totals are of (default: float); the table has both",
    )
    parser.add_argument(
        "--latency", action="store_true", help="time the float and the quantized file too, in ONNX Runtime"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for --latency (default: 1)")


def run(options: argparse.Namespace) -> None:
    """Export, run, compare and say what came out."""
    timed: Latency | None = None
    with Reporter("loading torch") as reporter:
        from qdebug.verify import check_runtime, measure_latency, verify

        check_runtime(options.runtime)
        session, recipe = opened(options, reporter)
        found = verify(
            session, recipe, runtime=options.runtime, simulation=options.simulate, work=reporter.work
        )  # fmt: skip
        if options.latency:
            timed = measure_latency(session, recipe, threads=options.threads, work=reporter.work)
    if options.json:
        print_json({**msgspec.to_builtins(found), **({"latency": msgspec.to_builtins(timed)} if timed else {})})
    else:
        print("\n".join([describe(found), *(["", describe_latency(timed)] if timed else [])]))


def describe(found: Verified) -> str:
    """What came out, as text."""
    from qdebug.figures import numbers
    from qdebug.figures.text import plural

    metric = found.metric
    values = [numbers.metric_value(metric.name, one) for one in (metric.float_, metric.simulated, metric.real)]
    parts = [
        f"{found.model} in {found.runtime} {found.version}, {found.simulation} simulation: "
        f"{found.agreement:.2%} of the predictions are the same.",
        "",
        f"{numbers.metric_title(metric.name)}  {values[0]} float, {values[1]} simulated, {values[2]} real",
    ]
    if found.elements:
        parts.append(
            f"codes  {numbers.count(found.elements)} compared, {found.elements_differing:.4%} differ, by at most "
            f"{found.max_code_difference}"
            + (f"; first at {found.first_divergent_layer}" if found.first_divergent_layer else "")
        )
    ran = ", ".join(f"{count} × {name}" for name, count in found.kernels.items())
    parts.append(f"kernels  {ran}")
    over = [one for one in found.saturation if one.saturating]
    if over:
        total, pairs = sum(one.saturating for one in over), sum(one.pairs for one in found.saturation)
        here = "does not do that" if found.vnni else "may do that" if found.vnni is None else "does that"
        parts.append(
            f"16-bit sums  {numbers.count(total)} of {numbers.count(pairs)} pairs of products would be clipped on a "
            f"CPU without VNNI, in {plural(len(over), 'layer')}; this one {here}"
        )
    if found.layers:
        parts += ["", _layers(found.layers)]
    for title, lines in (("What the recipe says and the file cannot:", found.unsaid), ("Findings:", found.findings)):
        if lines:
            parts += ["", title, *(f"  {line}" for line in lines)]
    return "\n".join(parts)


def describe_latency(found: Latency) -> str:
    """Times, as text."""
    rows = [(row.name, row.kernel, _micro(row.float_), _micro(row.quantized)) for row in found.layers[:12]]
    return "\n".join([
        f"Latency: {found.finding} Float {_micro(found.float_.median)}, quantized {_micro(found.quantized.median)} "
        f"for a batch of {found.batch}; ratio {found.ratio:.2f} ({found.ratio_low:.2f} to {found.ratio_high:.2f} in "
        f"the middle half of {found.rounds} rounds), {found.threads} thread(s).",
        "", table(("node", "kernel", "float", "quantized"), rows, align="<<>>"),
    ])  # fmt: skip


def _micro(time: float | None) -> str:
    """A short time."""
    if time is None:
        return "–"
    return f"{time * 1e3:.3g} ms" if time >= 1e-3 else f"{time * 1e6:.3g} µs"


def _layers(rows: tuple[VerifiedTensor, ...]) -> str:
    from qdebug.figures.numbers import count
    from qdebug.figures.text import shorten

    def told(row: VerifiedTensor) -> tuple[str, ...]:
        found = (row.integer, row.fed, row.float_)
        return tuple(text for one in found for text in (count(one.differing), str(one.largest)))

    return table(
        ("value", "node", "kernel", "codes", "differ", "by", "differ", "by", "differ", "by"),
        [(shorten(row.value, 28), shorten(row.node, 24), row.kernel, count(row.elements), *told(row)) for row in rows],
        align="<<<>>>>>>>",
        groups=("", "", "", "", "integer", "", "float, fed", "", "float", ""),
    )
