"""A small byte-level GPT on Python's help texts, with outlier weights."""
