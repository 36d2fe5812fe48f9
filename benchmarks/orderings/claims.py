"""What the papers say, as comparisons of cells: each true or false of what was measured here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.orderings.cells import ADAROUND, ALPHAS, CNNS, GPT, LEARNED, PAIRS, VIT, Cell
from benchmarks.orderings.run import Found

POINT, RECOVERED, NEAR = 0.01, 0.8, 1.1
"""One point of accuracy; the part of a loss that AdaRound wins back; GPTQ's perplexity over float's."""
PASSED_ON = (
    "GPTQ aims at what the float weight gives on the inputs that rounded layers leave, and passes their errors on; "
    "GPFQ aims at what the float model gives, and is far below nearest on the same grid."
)
ROBUST = "Four bits cost this sample two or three of 540 answers: there is next to nothing to win back."
Results = Mapping[Cell, Found]


@dataclass(frozen=True)
class Claim:
    """A sentence, whether it holds, the numbers that it rests on, and, where it does not, what is known of why."""

    text: str
    holds: bool
    numbers: str
    why: str = ""


def dfq(found: Results) -> list[Claim]:
    """Nagel et al. 2019: tables 1 and 2."""
    ways = ("", "bias-correction", PAIRS, f"{PAIRS} bias-correction")
    mobile, residual = ([found[Cell(sample, "w8a8", way)] for way in ways] for sample in CNNS)
    shift = abs(residual[2].mean - residual[0].mean)
    return [
        Claim(
            "On digits-mobilenet: none < bias correction alone < CLE of pairs < that with bias correction.",
            all(one.mean < two.mean for one, two in itertools.pairwise(mobile)), _percents(mobile),
        ),
        Claim(
            "The same by squared output error.",
            all(one.error > two.error for one, two in itertools.pairwise(mobile)), _errors(mobile),
        ),
        Claim(
            "CLE with bias correction is within a point of float there.",
            mobile[3].float_ - mobile[3].mean <= POINT, f"float {100 * mobile[3].float_:.2f} %",
        ),
        Claim(
            "CLE does nothing for digits-resnet: less than half a point.",
            shift < POINT / 2, _percents([residual[0], residual[2]]),
        ),
    ]  # fmt: skip


def adaround(found: Results) -> list[Claim]:
    """Nagel et al. 2020, table 7; Li et al. 2021, table 2."""
    claims = []
    for (sample, bits), before in ADAROUND.items():
        ways = (before, *(f"{before} {way}".strip() for way in LEARNED))
        nearest, ada, quant, brecq = (found[Cell(sample, bits, way, "mse")] for way in ways)
        lost, where = (
            nearest.float_ - nearest.mean,
            f"{sample}, {bits} per tensor{', after CLE of pairs' if before else ''}",
        )
        claims += [
            Claim(f"{where}: nearest collapses.", nearest.mean < 0.5, _percents([nearest]), ROBUST),
            Claim(
                f"{where}: AdaRound wins back at least 80 % of the loss.",
                ada.mean - nearest.mean >= RECOVERED * lost, f"{_percents([ada])} of float {100 * ada.float_:.2f} %",
            ),
            Claim(
                f"{where}: BRECQ is at least as good as AdaRound.",
                brecq.mean >= ada.mean, f"AdaRound, AdaQuant, BRECQ {_percents([ada, quant, brecq])}",
            ),
            Claim(
                f"{where}: the same by squared output error.",
                brecq.error <= ada.error, f"AdaRound, AdaQuant, BRECQ {_errors([ada, quant, brecq])}",
            ),
        ]  # fmt: skip
    return claims


def gptq(found: Results) -> list[Claim]:
    """Frantar et al. 2023, tables 3 to 5; Lin et al. 2024, table 4; Dettmers et al. 2023, section 4."""

    def of(bits: str, way: str = "") -> Found:
        return found[Cell(GPT, bits, way)]

    claims = [
        Claim(
            f"{bits}: GPTQ's perplexity is below that of rounding to nearest.",
            of(bits, "gptq").mean < of(bits).mean, _values([of(bits), of(bits, "gptq")]), PASSED_ON,
        )
        for bits in ("w4a16-pc", "w3a16-pc", "w4g32a16", "w3g32a16")
    ]  # fmt: skip
    ordered = [of("w3a16-pc"), of("w3a16-pc", "gptq:act_order=true")]
    tables = [of(name) for name in ("nf4g64", "fp4g64", "int4g64")]
    return [
        *claims,
        Claim(
            "w3a16-pc: so it is with the most active columns first (act-order).",
            ordered[1].mean < ordered[0].mean, _values(ordered), PASSED_ON,
        ),
        Claim(
            "w4g32a16: GPTQ is within 10 % of float.", of("w4g32a16", "gptq").mean <= NEAR * of("w4g32a16").float_,
            f"{_values([of('w4g32a16', 'gptq')])} of float {of('w4g32a16').float_:.2f}",
        ),
        *(
            Claim(
                f"{bits}: AWQ, scales and clip ranges, lies between GPTQ and rounding to nearest.",
                of(bits, "gptq").mean <= of(bits, "awq awq-clip").mean < of(bits).mean,
                _values([of(bits, "gptq"), of(bits, "awq awq-clip"), of(bits)]),
            )
            for bits in ("w4g32a16", "w3g32a16")
        ),
        Claim(
            "In groups of 64: NF4 < FP4 < int4 in perplexity.",
            tables[0].mean < tables[1].mean < tables[2].mean, _values(tables),
        ),
        Claim(
            "The same by squared output error.",
            tables[0].error < tables[1].error < tables[2].error, _errors(tables),
        ),
    ]  # fmt: skip


def smoothquant(found: Results) -> list[Claim]:
    """Xiao et al. 2023, figure 10."""
    sweep = [found[Cell(VIT, "w8a8", f"smoothquant:alpha={alpha}")] for alpha in ALPHAS]
    best = min(range(len(sweep)), key=lambda place: sweep[place].error)
    least = sweep[best].error
    return [
        Claim(
            "On digits-vit the output error over α has its minimum inside (0.3, 0.9).",
            0.3 < ALPHAS[best] < 0.9, f"least at α = {ALPHAS[best]}",
        ),
        Claim(
            "Both ends are at least 10 % above it: the curve is a U.",
            min(sweep[0].error, sweep[-1].error) >= 1.1 * least, _errors([sweep[0], sweep[best], sweep[-1]]),
        ),
    ]  # fmt: skip


def quip(found: Results) -> list[Claim]:
    """Chee et al. 2023, table 2."""
    return [
        Claim(
            f"{bits}: incoherence with LDLQ beats nearest and GPTQ alone.",
            both.mean < min(nearest.mean, alone.mean), _values([both, nearest, alone]),
        )
        for bits in ("w2a16-pc", "w2g32a16")
        for both, nearest, alone in [[found[Cell(GPT, bits, way)] for way in ("hadamard ldlq", "", "gptq")]]
    ]  # fmt: skip


CLAIMS = {"dfq": dfq, "adaround": adaround, "gptq": gptq, "smoothquant": smoothquant, "quip": quip}


def _percents(found: list[Found]) -> str:
    return ", ".join(f"{100 * one.mean:.2f} %" for one in found)


def _values(found: list[Found]) -> str:
    return ", ".join(f"{one.mean:.2f}" for one in found)


def _errors(found: list[Found]) -> str:
    return ", ".join(f"{one.error:.3g}" for one in found)
