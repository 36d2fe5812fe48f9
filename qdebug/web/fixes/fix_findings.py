"""What is known of the fixes on the recipe at hand: each that was measured, best first, and what a trial amounts to."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from qdebug.figures import numbers
from qdebug.figures.fixes import SAME_DB
from qdebug.figures.text import plural
from qdebug.results import FixTrial, Metric
from qdebug.web.core import words
from qdebug.web.shell.strip import significant_loss


@dataclass(frozen=True, slots=True)
class Found:
    """A fix whose effect was measured: its title, and the metric without and with it."""

    title: str
    before: Metric
    after: Metric


def found_html(found: Sequence[Found]) -> str:
    """The finding and a table of what was measured; what to do first where that is nothing."""
    if not found:
        return words.quiet("Fixes that follow a click are measured by themselves; slow ones wait to be tried.")
    sign = 1 if found[0].after.higher_is_better else -1
    ranked = sorted(found, key=lambda one: -sign * one.after.quantized)
    name = found[0].after.name
    title = html.escape(numbers.metric_title(name))
    rows = "".join(f"<tr><td>{html.escape(one.title)}</td>{_cell(one.before)}{_cell(one.after)}</tr>" for one in ranked)
    return (
        f'<p class="q-lead">{html.escape(finding(ranked))}</p>'
        '<div class="q-scroll q-tall"><table class="q-scores q-wide-scores">'
        f'<tr><th scope="col">measured on this recipe</th><th scope="col">{title} without</th>'
        f'<th scope="col">with</th></tr>{rows}</table></div>'
    )


def _cell(metric: Metric) -> str:
    bad = significant_loss(metric)
    value = numbers.metric_value(metric.name, metric.quantized)
    return f"<td{' class=q-bad' if bad else ''}>{f'◆{numbers.NBSP}' if bad else ''}{value}</td>"


def finding(ranked: Sequence[Found]) -> str:
    """Which of the measured fixes does most, in a sentence."""
    best = ranked[0]
    before, after = (numbers.metric_value(one.name, one.quantized) for one in (best.before, best.after))
    title = numbers.metric_title(best.after.name)
    if not is_better(best.before, best.after):
        return f"None of the fixes measured makes {title} better than {before}."
    lead = f"Of {len(ranked)} fixes measured, {words.inside(best.title)} does best" if len(ranked) > 1 else best.title
    return f"{lead}: {title} {before} → {after}."


def is_better(before: Metric, after: Metric) -> bool:
    """Whether the metric with a fix is better than without."""
    return (after.quantized > before.quantized) == after.higher_is_better and after.quantized != before.quantized


def trial_words(trial: FixTrial) -> str:
    """What came of a trial in a sentence or two: the metric, as far as it is more than chance, and the layers."""
    if trial.before is None or trial.after is None:
        return ""
    before, after = trial.before.metric, trial.after.metric
    first, last = (numbers.metric_value(one.name, one.quantized) for one in (before, after))
    title = numbers.metric_title(after.name)
    gain = gain_db(trial)
    layers = "layers' outputs stay" if abs(gain) <= SAME_DB else (
        f"layers' outputs {'gain' if gain > 0 else 'lose'} {numbers.decibel(abs(gain))}{numbers.NBSP}dB in the median"
    )  # fmt: skip
    if before.quantized == after.quantized:
        said = f"{title[:1].upper()}{title[1:]} stays {last}"
    elif _within(before, after):
        said = f"{title[:1].upper()}{title[1:]} {first} → {last} is within its 95{numbers.NBSP}% interval"
    else:
        said = f"{'Better' if is_better(before, after) else 'Worse'}: {title} {first} → {last}"
    found = f"{said}; {layers}."
    if trial.losses and trial.losses[0] is min(trial.losses, key=lambda one: one.held_out):
        found += f" No step of {plural(trial.losses[-1].step, 'step')} did better than the start: it is kept untrained."
    return found


def _within(before: Metric, after: Metric) -> bool:
    low, high = before.quantized_ci95
    return low <= after.quantized <= high


def gain_db(trial: FixTrial) -> float:
    """What the layers' outputs gain, in the median, in dB; 0 where nothing is known."""
    return median([layer.gain_db for layer in trial.changed if layer.gain_db is not None] or [0.0])


def is_worth_keeping(trial: FixTrial) -> bool:
    """Whether a trial does good: to the metric by more than chance, or else to the layers without harm to it."""
    if trial.before is None or trial.after is None:
        return False
    before, after = trial.before.metric, trial.after.metric
    if not _within(before, after):
        return is_better(before, after)
    return gain_db(trial) > SAME_DB
