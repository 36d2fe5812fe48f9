"""A closer look at one layer: its channels, its weight as a matrix, the spectrum of its error, its output."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures.closeup.matrix import weight_matrix
from qdebug.figures.closeup.ridges import channel_ridges
from qdebug.figures.closeup.scatter import output_scatter
from qdebug.figures.closeup.spectrum import error_spectrum
from qdebug.results import ChannelRidges, CloseUp, ErrorSpectrum, OutputScatter, WeightMatrix

__all__ = ["channel_ridges", "close_up", "error_spectrum", "output_scatter", "weight_matrix"]


def close_up(found: CloseUp, *, dark: bool = False) -> go.Figure:
    """The figure of what ``session.close_up`` has found.

    Args:
        found: whichever look was asked for.
        dark: whether it stands on dark ground.
    """
    match found:
        case ChannelRidges():
            return channel_ridges(found, dark=dark)
        case WeightMatrix():
            return weight_matrix(found, dark=dark)
        case ErrorSpectrum():
            return error_spectrum(found, dark=dark)
        case OutputScatter():
            return output_scatter(found, dark=dark)
