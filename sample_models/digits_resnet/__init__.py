"""A small residual CNN on digits that quantizes well: the control."""
