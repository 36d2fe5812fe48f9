"""Who takes part in lessons and what they have answered, kept in the workspace. Torch-free."""

from qdebug.classroom.store import Answered, Classroom, Participant, Room, workshop
from qdebug.classroom.tries import TRIES, Tries

__all__ = ["Answered", "Classroom", "Participant", "Room", "TRIES", "Tries", "workshop"]
