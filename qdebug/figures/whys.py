"""Why each chart matters, in a sentence or two, and the lesson that tells more. By what the chart's key begins with."""

from __future__ import annotations

WHYS: dict[str, tuple[str, str]] = {
    "agreement": ("Predictions rest on errors being small. A layer far from the line has left that regime: believe "
                  "its measurement.", "mixture"),
    "along": ("Errors add up on their way. Where the line falls far below the marks, a layer suffers from what came "
              "before it, and mending it alone will not help.", "mixture"),
    "calibration-curve": ("Where the curve is flat, more calibration data change nothing. Where different draws "
                          "disagree, the range hangs on chance.", "calibration"),
    "channels": ("One scale must serve everything it covers. A channel much wider than the others leaves them few "
                 "codes.", "granularity"),
    "compare-groups": ("A mean that holds can hide a class that pays.", "groups"),
    "contest": ("At the same number of bits, the format whose grid fits these values best loses least.", "formats"),
    "course": ("The fix learns by lowering this error. A curve that still falls would gain from more steps.",
               "rounding"),
    "coverage": ("What leaves the calibrated range is cut off. Much of it says that evaluation data are unlike "
                 "calibration data.", "calibration"),
    "crest": ("Even grids like blocks without a peak, floating ones blocks with one.", "formats"),
    "depth": ("Errors near the input pass through everything behind them; a layer that stands out here decides what "
              "the network loses.", "mixture"),
    "drift": ("A line that climbs with the depth is rounding that adds up; a layer that differs on the runtime's own "
              "inputs is computed otherwise there.", "deployed"),
    "cause-fall": ("It says how much of the drop each cause can answer for: mend the tallest step first.", "mixture"),
    "fall": ("The steps lead from the float metric to the quantized one: mend the tallest first.", "mixture"),
    "format-histogram": ("Codes pay where the values are. Codes that stand where nothing is are lost.", "affine"),
    "group-calibration": ("A range is as good as the samples it comes from: what one group alone sets is too narrow, "
                          "or too wide, for another.", "calibration"),
    "group-course": ("Where the error goes up or down with the number, such as a timestep, one setting for all is a "
                     "compromise.", "groups"),
    "group-range-lines": ("What lies far inside the dotted lines gets few codes; what lies outside is cut off.",
                          "clipping"),
    "group-ranges": ("One range must serve every group. Where they differ, those with small values get few codes.",
                     "calibration"),
    "histogram": ("Between two codes there is nothing: what lies there is moved. What lies outside the limits is cut "
                  "off.", "clipping"),
    "latency-layers": ("Time is lost where codes are made and unmade, and a layer that gains nothing can stay in "
                       "float at no cost.", "deployed"),
    "losses": ("Training is worth its time as long as this falls; the best state so far is what is kept.", "training"),
    "losses-by-format": ("What a format takes from the weights is lost before anything runs. What that does to answers "
                         "only the model can say.", "formats"),
    "matrix": ("Error in a few rows or columns calls for scales of their own; error everywhere calls for more bits.",
               "granularity"),
    "mixture-front": ("Every point is the best mixture of its size. Where the front bends, bits begin to hurt.",
                      "mixture"),
    "mixture-map": ("It shows which layers give up their bits first: large ones that do little harm.", "mixture"),
    "octaves": ("One scale must reach the largest value. The farther it lies from the bulk, the fewer codes are left "
                "for the rest.", "outliers"),
    "points": ("A format is where its codes stand: close together, values are moved little.", "formats"),
    "positions": ("A first token that others attend to for want of a better one is often far larger than the rest: its "
                  "range spoils the scale for all, and a scale per token cures that.", "outliers"),
    "range-growth": ("A range that keeps growing is set by single samples; one that settles can be trusted.",
                     "calibration"),
    "ranges": ("After equalization both sides of a pair bear the same range, so that one scale serves them.",
               "equalization"),
    "rate": ("No format can be above the limit. The distance to it is what a better one could still win.", "formats"),
    "ridges": ("A channel that fills little of its range gets few codes. Scales of its own, or factors between "
               "layers, let it fill more.", "granularity"),
    "sampling": ("A sampler feeds the network its own output: small errors in one direction add up step by step.",
                 "mixture"),
    "scatter": ("A slope or a shift is no noise: it does not average out over the next layers, and a bias or a "
                "factor can take it back.", "bias"),
    "settling": ("A range is as good as the data it comes from; this shows how many were enough.", "calibration"),
    "shares": ("Most of the damage is often done by few layers. Mend those, and leave the others in few bits.",
               "mixture"),
    "shift": ("Noise averages out over the next layers; a shift of the mean does not, and a bias can take it away for "
              "nothing.", "bias"),
    "spectrum": ("What a low rank holds can be kept in two thin matrices beside the codes. Noise cannot: it has no "
                 "directions.", "rounding"),
    "split": ("Clipping wants a wider range, rounding a narrower one. Which of them leads says which way to go.",
              "clipping"),
    "subgroups": ("A mean that holds can hide a class that pays.", "groups"),
    "tradeoff": ("What is above and to the left is better. Nobody needs a recipe that another beats in both.",
                 "mixture"),
    "tried": ("A fix that helps the mean can harm a layer. Those that came out worse stand here too.", "rounding"),
}  # fmt: skip


def why(key: str) -> tuple[str, str] | None:
    """The sentence and the lesson for a chart, by the longest beginning that fits its key; None where there is none."""
    fits = [head for head in WHYS if key.startswith(head)]
    return WHYS[max(fits, key=len)] if fits else None
