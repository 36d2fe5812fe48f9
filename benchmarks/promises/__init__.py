"""What qdebug promises about files, crashes and visitors, tried over and over. Prints a table.

    python -m benchmarks.promises [--minutes 60] [--only NAME,NAME] [--seed N] [--json] [--into FILE]

One module for each promise; each holds ``PROMISE``. The tests in ``tests/promises`` try the same in short, with the
same machinery, and fail where a promise was broken once. Each run draws other cases unless ``--seed`` is given.
"""
