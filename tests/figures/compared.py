"""Comparisons made by hand."""

from qdebug.results import ComparedSide, Comparison, GroupDifference, PairedDifference, Size
from tests.figures.values import score


def difference(a, b, *, name="accuracy", ci95=None, p=0.5, changed=5, lost=3, gained=1):
    return PairedDifference(
        name=name, a=a, b=b, delta=b - a, ci95=ci95 or (b - a - 0.05, b - a + 0.05), p=p, lost=lost, gained=gained,
        changed=changed, predictions=100, n=100, higher_is_better=name != "perplexity",
    )  # fmt: skip


def group(name, delta, *, p=0.5, key="class", ci95=None, name_of="accuracy"):
    found = difference(0.5, 0.5 + delta, name=name_of, ci95=ci95, p=p)
    return GroupDifference(key=key, name=name, difference=found, significant=p is not None and p <= 0.05)


def comparison(found, *, layers=(), groups=(), sizes=(2000, 1000), unit="sample", reference="labels", between=()):
    sides = [
        ComparedSide(
            name="", recipe=digest, metric=score(value, name=found.name).metric,
            size=Size(float_bytes=4000, quantized_bytes=size, bits_per_weight=size / 125),
        )
        for digest, value, size in zip(("one", "two"), (found.a, found.b), sizes, strict=True)
    ]  # fmt: skip
    return Comparison(
        model="net", digest="d", a=sides[0], b=sides[1], difference=found, reference=reference, unit=unit,
        layers=layers, alike=5, between=between, groups=groups, left_out="", n=found.n, seconds=0.1,
    )  # fmt: skip
