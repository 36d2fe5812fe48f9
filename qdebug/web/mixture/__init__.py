"""The screen Mixed precision: a budget, the front, the mixture as a recipe."""
