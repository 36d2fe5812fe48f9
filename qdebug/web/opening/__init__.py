"""Opening a file, and what the page shows while a model cannot be run."""
