"""The screen Fixes: cards, trials, what was measured."""
