"""One file per target: what a deployment tool reads, written from a recipe that was worked out."""
