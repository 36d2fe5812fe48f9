"""What ``qdebug.open`` returns: a session with everything that can be asked of it, and the app on it."""

from qdebug.checkpoint import scan
from qdebug.facade.served import Served
from qdebug.facade.session import Session, open  # noqa: A004 - qdebug.open is the name people type

__all__ = ["Served", "Session", "open", "scan"]
