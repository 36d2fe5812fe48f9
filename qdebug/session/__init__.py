"""A model and its data, opened: the object people hold in a notebook, and that the compute process keeps."""

from qdebug.doors import cards as samples
from qdebug.session.opening import inspect_model as inspect
from qdebug.session.opening import open_model as open  # noqa: A004 - qdebug.open is the name people type
from qdebug.session.opening import open_ref
from qdebug.session.session import Session

__all__ = ["Session", "inspect", "open", "open_ref", "samples"]
