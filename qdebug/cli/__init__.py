"""The verbs of the app without a browser."""

from qdebug.cli.program import main

__all__ = ["main"]
