"""The error of every layer in every format, predicted in a number of passes that does not depend on their number.

``tape`` runs the model forward and backward, ``cotangents`` says from where, ``weights`` and ``activations`` project
errors on what comes back, ``projections`` makes predictions of that.
"""
