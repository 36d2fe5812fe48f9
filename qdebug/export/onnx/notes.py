"""Sentences about what a file cannot say, each once, in the order they come up."""

from __future__ import annotations


class Notes:
    """Collects sentences with the names of the places they are true of."""

    def __init__(self) -> None:
        self._found: dict[str, list[str]] = {}

    def add(self, sentence: str, place: str = "") -> None:
        """Note a sentence, of a place where it is not about the whole file."""
        places = self._found.setdefault(sentence, [])
        if place and place not in places:
            places.append(place)

    def sentences(self) -> tuple[str, ...]:
        """All of them; up to six places are named."""
        return tuple(_with(sentence, places) for sentence, places in self._found.items())


def _with(sentence: str, places: list[str]) -> str:
    if not places:
        return sentence
    more = f" and {len(places) - 6} more" if len(places) > 6 else ""
    return f"{sentence} ({', '.join(places[:6])}{more})"
