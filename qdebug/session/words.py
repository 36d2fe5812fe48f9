"""What a layer's numbers mean, in words. Pure: results in, sentences out."""

from __future__ import annotations

from qdebug.results import ChannelRanges, ErrorSplit, OutputError, TensorView

#: Below this many codes a channel is as good as not resolved.
_FEW = 5


def explain(weight: TensorView | None, activation: TensorView | None, output: OutputError) -> str | None:
    """The cause of the layer's error, as far as its numbers show one."""
    if output.sqnr_db is None:
        return None
    for view, what in ((weight, "weight"), (activation, "activation")):
        cause = _uneven(view, what) if view else None
        if cause and output.sqnr_db < 40:
            return cause
    clipped = _clipped(weight, activation)
    if clipped:
        return clipped
    if output.sqnr_db < 20:
        return _coarse(weight, activation, output.sqnr_db)
    return None


def unremarkable(output: OutputError) -> str:
    """What is said where there is no cause to name."""
    if output.sqnr_db is None:
        return "This layer runs in float: nothing is lost here"
    return f"Nothing stands out: the output keeps {output.sqnr_db:.1f} dB"


def _uneven(view: TensorView, what: str) -> str | None:
    """Channels so uneven that one scale cannot serve them all."""
    channels, grid = view.channels, view.grid
    if grid is None or grid.scales > 1 or view.error.scale_max <= 0:
        return None
    few = sum(
        1
        for low, high in zip(channels.low, channels.high, strict=True)
        if (high - low) / view.error.scale_max < _FEW - 1
    )
    total = len(channels.low)
    if channels.widest_ratio < 4 or few < total / 8:
        return None
    return (
        f"{_count(channels)} {what} {_plural(len(channels.outliers) or 1, 'channel is', 'channels are')} up to "
        f"{channels.widest_ratio:.0f}× wider than the median, so one scale for all leaves {few} of {total} channels "
        f"with at most {_FEW} codes"
    )


def _clipped(weight: TensorView | None, activation: TensorView | None) -> str | None:
    for view, what in ((weight, "weights"), (activation, "activations")):
        if (
            view
            and view.error.mse > 0
            and view.error.clipping_mse > 0.5 * view.error.mse
            and view.error.clipping_rate > 1e-5
        ):
            part = 100 * view.error.clipping_mse / view.error.mse
            limits = f"{view.error.clip_min:.3g} to {view.error.clip_max:.3g}".replace("-", "−")
            return f"{part:.0f} % of the error of the {what} is clipping: the range {limits} is too tight"
    return None


def _coarse(weight: TensorView | None, activation: TensorView | None, sqnr: float) -> str:
    worst = min(
        (view.error for view in (weight, activation) if view and view.error.sqnr_db is not None),
        key=_sqnr,
        default=None,
    )
    if worst is None:
        return f"The output keeps only {sqnr:.1f} dB"
    what = "weights" if weight and worst is weight.error else "activations"
    return (
        f"The output keeps only {sqnr:.1f} dB: {worst.format} is too coarse for these {what} ({worst.sqnr_db:.1f} dB)"
    )


def _sqnr(error: ErrorSplit) -> float:
    return error.sqnr_db if error.sqnr_db is not None else float("inf")


def _count(channels: ChannelRanges) -> str:
    words = ("One", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    count = len(channels.outliers)
    return words[count] if count < len(words) else str(count)


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
