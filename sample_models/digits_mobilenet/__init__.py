"""A small MobileNetV2 on digits whose channels are badly balanced."""
