"""The screen Layers: the table, and the layer chosen there."""
