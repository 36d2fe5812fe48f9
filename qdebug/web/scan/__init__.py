"""The Scan screen: files of weights, looked through without a model."""
