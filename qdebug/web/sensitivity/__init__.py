"""The screen Sensitivity: layers by formats, predicted and measured."""
