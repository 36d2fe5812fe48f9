"""A report on one recipe as one HTML file."""

from __future__ import annotations

from qdebug.figures import numbers
from qdebug.figures.agreement import is_trouble, runtime_name, verified_finding
from qdebug.figures.diagnosis import TITLES, evidence, fix_words, gain_words
from qdebug.figures.recipe_words import inside
from qdebug.figures.subgroups import is_hit, p_words, subgroups_finding, worst_first
from qdebug.recipes.text import write_yaml
from qdebug.report.charts import charts
from qdebug.report.render import whole
from qdebug.results import Cause, Diagnosis
from qdebug.results.report import Report


def page(report: Report) -> str:
    """The report as HTML, with its charts and what draws them inside, and the whole of it as JSON."""
    evaluation, metric = report.evaluation, report.evaluation.metric
    finding, _, more = report.verdict.text.partition(". ")
    return whole(
        "report.html", report, charts(report),
        report=report,
        evaluation=evaluation,
        metric=metric,
        finding=_unbroken(finding.rstrip(".") + "."),
        more=_unbroken(more),
        harm="error" if report.verdict.healthy else "damage",
        cure=cure(report.diagnosis),
        change=numbers.metric_change(metric.name, metric.delta),
        groups=worst_first(metric, evaluation.groups),
        groups_finding=subgroups_finding(metric, evaluation.groups),
        damage={row.name: row.share for row in report.shares.rows},
        verified_finding=verified_finding(report.verified, seen="the simulation") if report.verified else "",
        recipe=write_yaml(report.recipe),
        causes=TITLES, telling=telling, fix_words=fix_words, gain_words=gain_words, is_hit=is_hit, p_words=p_words,
        is_trouble=is_trouble, runtime_name=runtime_name, inside=inside,
    )  # fmt: skip


def cure(found: Diagnosis | None) -> str:
    """What helps most of all that was tried, with the metric before and after; empty where nothing does."""
    if found is None or found.metric_quantized is None:
        return ""
    if found.together and len(found.together.fixes) > 1:
        words, after = [fix_words(fix) for fix in found.together.fixes], found.together.metric
    else:
        best = max((one for one in found.causes if one.fix), key=lambda one: one.recovered, default=None)
        if best is None or best.fix is None or best.metric_after is None:
            return ""
        words, after = [fix_words(best.fix)], best.metric_after
    before, now = (numbers.metric_value(found.metric, value) for value in (found.metric_quantized, after))
    if before == now:
        return ""
    return f"With {', then '.join(words)}, {numbers.metric_title(found.metric)} goes from {before} to {now}."


def telling(cause: Cause) -> list[tuple[str, str]]:
    """The evidence of a cause without its zeros, which in a report speak for nothing."""
    return [(name, value) for name, value in evidence(cause) if value.split(numbers.NBSP)[0] != "0"]


def _unbroken(text: str) -> str:
    """A sentence in which no line ends between a number and its percent sign."""
    return text.replace(" %", f"{numbers.NBSP}%")
