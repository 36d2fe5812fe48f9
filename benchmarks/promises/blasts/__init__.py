"""Small files that ask for much: memory, time, or room on the disk."""
