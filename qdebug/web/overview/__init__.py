"""The overview: the verdict, the worst layers, who pays."""
