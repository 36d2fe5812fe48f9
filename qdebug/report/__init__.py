"""What was found out, as one file that opens anywhere without a network, and as the same in JSON."""

from qdebug.report.diff_page import diff_page
from qdebug.report.files import save
from qdebug.report.gather import gather
from qdebug.report.gather_diff import gather_models, gather_recipes
from qdebug.report.page import page

__all__ = ["diff_page", "gather", "gather_models", "gather_recipes", "page", "save"]
