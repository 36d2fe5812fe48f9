"""A workshop: who may come in, and what its teacher sees."""
