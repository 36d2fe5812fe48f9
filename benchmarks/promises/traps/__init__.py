"""Files that would run code if somebody opened them without care: each leaves a mark where it does."""
