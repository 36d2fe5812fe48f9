"""What the papers found, on the samples: methods by format, three seeds, and whether the order is the papers'.

    python -m benchmarks.orderings [--only GROUP …] [--kept FILE]     (make table writes docs/orderings.md)

A seed draws three quarters of the calibration data and is the seed of every fix that draws; evaluation data are whole.
Each cell is kept in a file as it comes, so that a run that was stopped goes on; the cells of a program whose version
or fix parameters changed are measured again.
"""
