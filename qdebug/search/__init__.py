"""Which layer hurts, why, and which mixture of formats to choose: predicted in a few passes, confirmed exactly."""
