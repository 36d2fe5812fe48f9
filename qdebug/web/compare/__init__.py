"""The screen Compare: two recipes side by side, and the answers that changed."""
