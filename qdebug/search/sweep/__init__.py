"""The exact half of sensitivity: every layer quantized and measured, part of the data by part of the data."""
