"""Pictures that only lessons draw."""
