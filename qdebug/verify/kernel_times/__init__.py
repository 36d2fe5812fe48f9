"""How long each layer takes in each format, by timing one small graph for each shape and format on this machine.

``shapes`` says what of a layer its time depends on, ``graphs`` makes a model of that alone, ``timed`` runs it, and
``layers`` puts a session's layers together.
"""

from qdebug.verify.kernel_times.layers import layer_times

__all__ = ["layer_times"]
