"""A small vision transformer on digits with outlier activation channels."""
