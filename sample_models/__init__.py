"""Six small trained networks, each with a story to tell about quantization."""
