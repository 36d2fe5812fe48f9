"""A report made by hand: what its page must say is known beforehand."""

import msgspec

from qdebug.figures.recipe_facts import recipe_facts
from qdebug.recipes import parse_fix, preset, with_fix
from qdebug.recipes.serial import to_plain
from qdebug.results import (
    Cause,
    Diagnosis,
    Evaluation,
    Finding,
    LayerInfo,
    LayerReport,
    ModelInfo,
    OutputError,
    Remedy,
    Subgroup,
    Trial,
    Verdict,
)  # fmt: skip
from qdebug.results.report import DataUsed, Report, Step
from tests.figures.values import detail, error, score, shares, tensor, verified

RECIPE = with_fix(preset("w8a8"), parse_fix("cle"))
NASTY = "a</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u2028\u2029{{ 7*7 }}"
"""A name as a stranger's file may have it: it ends scripts, tags and attributes, and is a template."""


def info(name="net", layers=("a", "b"), **changes):
    rows = tuple(
        LayerInfo(name=one, op="conv 1×1", kind="conv", weight_shape=(4, 4, 1, 1), params=16, macs=64, out_channels=4,
                  in_features=4, has_bias=False)
        for one in layers
    )  # fmt: skip
    values = {
        "title": "A net", "digest": "d1d2d3d4", "source": "onnx", "task": "classification", "inputs": (),
        "patterns": (), "params": 1234, "float_bytes": 4936, "n_eval": 540, "n_calib": 256,
        "calibration": "256 from the sample",
    }  # fmt: skip
    return ModelInfo(name=name, layers=rows, **(values | changes))


def group(name, delta, p=0.001):
    return Subgroup(
        key="group", name=name, n=50, float_=0.9, quantized=0.9 + delta, delta=delta, ci95=(delta - 0.05, delta + 0.05),
        flips=3, predictions=50, p=p, significant=p <= 0.05,
    )  # fmt: skip


def diagnosis(layer="a"):
    fix = Remedy(method="cle", params={})
    other = Remedy(method="dynamic", params={"layers": ["b"]})
    tried = Trial(fix=fix, metric=0.98, recovered=0.9), Trial(fix=other, metric=None, recovered=0.0)
    cause = Cause(
        layer=layer, layers=(layer, "b"), tensor="weight", kind="uneven-weights", share=0.8, fix=fix, tried=tried,
        evidence={"widest_over_median": 48.0, "clipping_rate": 0.0}, metric_before=0.5, metric_after=0.98,
        recovered=0.9, text=f"The weight ranges of {layer} are uneven",
    )  # fmt: skip
    return Diagnosis(
        model="net", digest="d1d2d3d4", recipe="r", metric="accuracy", metric_float=0.99, metric_quantized=0.5,
        healthy=False, causes=(cause,), together=None, n=540, seconds=1.0, text="Accuracy is 50 %", tensors=4,
    )  # fmt: skip


def report(layer="a", *, group_name="night", **changes):
    found = score(0.5, ci=(-0.55, -0.45))
    rows = tuple(
        LayerReport(name=one, op="conv 1×1", weight=error(), activation=error(), output=OutputError(sqnr_db=12.0,
                    mean_shift=0.1))
        for one in (layer, "b")
    )  # fmt: skip
    evaluation = Evaluation(
        model="net", digest="d1d2d3d4", recipe=RECIPE.digest, n=540, calibration="256 samples", metric=found.metric,
        size=found.size, layers=rows, seconds=0.5, groups=(group(group_name, -0.4), group("day", -0.01, 1.0)),
        findings=(Finding(kind="dead", layer=layer, tensor="weight", text="2 channels are always zero."),),
    )  # fmt: skip
    values = {
        "made": "2026-01-02T03:04:05+00:00", "versions": {"qdebug": "0.1.0", "torch": "2.13.0"},
        "model": info(layers=(layer, "b")),
        "data": (DataUsed(role="evaluation", source="val.npz", n=540, digest="ab" * 16),
                 DataUsed(role="calibration", source="train.npz", n=256, digest="cd" * 16)),
        "recipe": to_plain(RECIPE), "recipe_words": recipe_facts(RECIPE),
        "verdict": Verdict(text=f"1 of 2 layers causes 80 % of the damage. Worst is {layer}; it is uneven.",
                           worst=(layer,), healthy=False),
        "evaluation": evaluation, "shares": shares(**{layer: 0.8, "b": 0.2}),
        "worst": (msgspec.structs.replace(detail(), name=layer, text=f"{layer} is uneven"),),
        "diagnosis": diagnosis(layer),
        "mended": diagnosis("b"),
        "steps": (Step(fix="", title="no fix", metric=score(0.2).metric, size=found.size),
                  Step(fix="cle", title="Cross-layer equalization", metric=found.metric, size=found.size)),
        "verified": verified(tensor(layer, 5), tensor("b")), "unverified": "", "seconds": 12.0,
    }  # fmt: skip
    return Report(**(values | changes))


def bare():
    """A report in which everything is missing that can be."""
    full = report()
    evaluation = msgspec.structs.replace(full.evaluation, groups=(), findings=())
    return msgspec.structs.replace(
        full, evaluation=evaluation, worst=(), diagnosis=None, mended=None, steps=(), verified=None,
        unverified="the runtime is not installed",
    )  # fmt: skip
