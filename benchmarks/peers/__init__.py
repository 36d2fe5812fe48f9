"""qdebug's exact sweep beside what other tools rank layers with, on one model and data, each against its own passes."""
