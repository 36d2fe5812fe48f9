"""Quantization-aware training: the network trained with its quantization in place."""
