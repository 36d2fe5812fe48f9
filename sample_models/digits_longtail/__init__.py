"""A small CNN on digits whose training data are long-tailed: what quantization costs, rare classes pay."""
