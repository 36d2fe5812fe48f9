"""Files of weights looked through without a model: what each tensor holds, and the error that formats would add."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.errors import UsageError, near
from qdebug.results.scan import PEAKS, Scan, ScannedTensor, StoredStats

SUMMARY = "a checkpoint's tensors (.safetensors, .gguf), without running a model"
EXAMPLES = """\
  qdebug scan model.safetensors
  qdebug scan ./Llama-3.2-1B --formats int8-pc,int4g128,q4_0 --sort int4g128 --top 20
  qdebug scan model-Q4_K_M.gguf --formats none --json"""

_USUAL = "int8-pc,int4g128,nf4,mxfp4"
_LIMIT = PEAKS[1]
_NAME = 48


def _of(stats: Callable[[StoredStats], float | None]) -> Callable[[ScannedTensor], float]:
    """What to sort by: a statistic; what has none comes last."""

    def key(one: ScannedTensor) -> float:
        value = stats(one.stats) if one.stats else None
        return float("inf") if value is None else -value

    return key


_SORTS: dict[str, Callable[[ScannedTensor], float | str]] = {
    "name": lambda one: one.name, "size": lambda one: -one.nbytes, "absmax": _of(lambda s: s.absmax),
    "std": _of(lambda s: s.std), "crest": _of(lambda s: s.crest), "zeros": _of(lambda s: s.zeros / max(s.count, 1)),
    "outliers": _of(lambda s: s.outliers[1] if s.outliers else None), "odd": _of(lambda s: s.nans + sum(s.infinities)),
}  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument("path", metavar="PATH", help="a .safetensors or .gguf file, or a folder of shards")
    parser.add_argument(
        "--formats", metavar="A,B", default=_USUAL,
        help=f"formats to try on every tensor, as --weight-format takes them, or none (default: {_USUAL})",
    )  # fmt: skip
    parser.add_argument(
        "--sort", metavar="COLUMN", default="",
        help=f"{', '.join(_SORTS)}, or a format (least SQNR first); the files' order if not said",
    )  # fmt: skip
    parser.add_argument("--top", metavar="N", type=int, default=0, help="print only the first N tensors")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(options: argparse.Namespace) -> None:
    """Look through the files and print what was found."""
    formats = () if options.formats.strip().lower() == "none" else tuple(options.formats.split(","))
    if options.top < 0:
        raise UsageError(f"--top {options.top} makes no sense", do="Give a number of tensors.")
    key = _key(options.sort.strip().lower(), tuple(name.strip().lower() for name in formats))
    with Reporter("loading torch") as reporter:
        from qdebug.checkpoint import scan

        found = scan(options.path, formats, work=reporter.work)
    if options.json:
        print_json(found)
        return
    rows = sorted(found.tensors, key=key) if key else list(found.tensors)
    print(describe(found, rows[: options.top or None]))


def _key(name: str, formats: tuple[str, ...]) -> Callable[[ScannedTensor], float | str] | None:
    """What tensors are sorted by.

    Raises:
        UsageError: there is no such column.
    """
    if not name or name in _SORTS:
        return _SORTS.get(name)
    if name not in formats:
        raise UsageError(f"There is no column '{name}' to sort by", do=near(name, (*_SORTS, *formats)))
    place = tuple(dict.fromkeys(formats)).index(name)

    def sqnr(one: ScannedTensor) -> float:
        value = one.added[place].sqnr_db if one.added else None
        return float("inf") if value is None else value

    return sqnr


def describe(found: Scan, rows: list[ScannedTensor]) -> str:
    """The scan as text: what stands out, then the tensors, then the formats over all of them."""
    from qdebug.figures.numbers import decibel, many, size, three
    from qdebug.figures.text import plural

    about = [found.facts[key] for key in ("general.name", "general.architecture") if key in found.facts]
    parts = [
        f"{found.path}{': ' + ', '.join(about) if about else ''}",
        f"{found.source}, {plural(len(found.files), 'file')}, {plural(len(found.tensors), 'tensor')}, "
        f"{many(found.params)} weights, {size(found.nbytes)}, {three(found.bits)} bits per weight",
        "",
    ]
    if found.findings:
        parts += [*found.findings, ""]
    header = ("tensor", "shape", "type", "size", "absmax", "std", "crest", f">{_LIMIT} RMS", "zeros", *found.formats)
    groups = [""] * 9 + ["SQNR dB"] + [""] * (len(found.formats) - 1) if found.formats else ()
    lines = [_line(one, len(found.formats)) for one in rows]
    if rows:
        parts.append(table(header, lines, align="<<<>>>>>>" + ">" * len(found.formats), groups=groups))
    left = len(found.tensors) - len(rows)
    if left:
        parts.append(f"… and {plural(left, 'more tensor')}")
    if found.totals:
        totals = [
            (one.notation, three(one.bits), decibel(one.sqnr_db), three(one.relative)) for one in found.totals
        ]  # fmt: skip
        parts += ["", table(("format", "bits", "SQNR dB", "relative error"), totals, align="<>>>")]
    return "\n".join(parts)


def _line(one: ScannedTensor, formats: int) -> tuple[str, ...]:
    from qdebug.figures.numbers import NONE, decibel, size, small_share, three
    from qdebug.figures.text import shorten

    head = shorten(one.name, _NAME), "×".join(map(str, one.shape)) or "scalar", one.kind, size(one.nbytes)
    added = tuple(decibel(error.sqnr_db) for error in one.added) or (NONE,) * formats
    if one.stats is None:
        return (*head, *(NONE,) * 5, *added)
    stats = one.stats
    odd = stats.nans + sum(stats.infinities)
    outliers = small_share(stats.outliers[1]) if stats.outliers else NONE
    zeros = small_share(stats.zeros / max(stats.count, 1))
    crest = three(stats.crest)
    return (*head, three(stats.absmax) + (" ◆" if odd else ""), three(stats.std), crest, outliers, zeros, *added)
