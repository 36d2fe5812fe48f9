"""Images of a diffusion model, drawn in float and under a recipe from the same noise."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from qdebug.cli.opening import opened, refuse_inputs
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import Sampling

SUMMARY = "draw images from a diffusion model, float and quantized, from the same noise"
EXAMPLES = """\
  qdebug sample digits-ddpm --preset w8a6 -o digits.png
  qdebug sample digits-ddpm --preset w4a8 --steps 100 --eta 1
  qdebug sample digits-ddpm --images 4 --steps 10 --json"""
ROWS = 12
"""Steps that are printed; ``--json`` has all."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)
    parser.add_argument("--images", type=int, default=16, metavar="N", help="how many, at most 64 (default: 16)")
    parser.add_argument("--steps", type=int, default=25, metavar="N", help="timesteps walked through (default: 25)")
    parser.add_argument(
        "--eta",
        type=float,
        default=0.0,
        metavar="E",
        help="noise added in each step: 0 for DDIM, 1 for DDPM (default: 0)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the noise (default: 0)")
    parser.add_argument("-o", "--output", metavar="PATH", help="write a PNG: float above quantized")


def run(options: argparse.Namespace) -> None:
    """Draw, write and print."""
    with Reporter("loading torch") as reporter:
        if options.output:
            refuse_inputs(options, options.output)
        session, recipe = opened(options, reporter)
        found = session.sample(
            recipe, images=options.images, steps=options.steps, eta=options.eta, seed=options.seed, work=reporter.work
        )
    if options.output:
        from qdebug.export.document import write_whole
        from qdebug.figures.picture import png
        from qdebug.figures.sampling import grid_picture

        write_whole(Path(options.output), png(grid_picture(found)))
    if options.json:
        plain = msgspec.to_builtins(found)
        print_json({name: value for name, value in plain.items() if name not in ("float_", "quantized")})
    else:
        print(describe(found))


def describe(found: Sampling) -> str:
    """The finding, then some of the steps."""
    from qdebug.figures.numbers import percent
    from qdebug.figures.sampling import sampling_finding

    every = -(-len(found.steps) // ROWS)
    shown = [*found.steps[::every], *([found.steps[-1]] if (len(found.steps) - 1) % every else [])]
    rows = [(str(step.timestep), percent(step.apart), percent(step.own)) for step in shown]
    text = table(("timestep", "trajectories apart", "own error"), rows, align=">>>")
    note = "own error: of the quantized network's prediction on the float trajectory's image"
    return f"{sampling_finding(found)}.\n\n{text}\n\n{note}"
