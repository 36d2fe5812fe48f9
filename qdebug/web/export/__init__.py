"""The screen Export: the recipe as a file, held against a runtime, and timed."""
