"""What should be decided: how sensitive the layers are, what is wrong with them, and which precision each one gets."""
