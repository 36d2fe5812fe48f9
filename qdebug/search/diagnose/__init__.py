"""Why a recipe breaks a model: ranked causes, each with evidence and a fix whose effect was measured."""

from qdebug.search.diagnose.diagnose import apply, diagnose

__all__ = ["apply", "diagnose"]
