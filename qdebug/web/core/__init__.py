"""What every screen stands on: questions to the compute process, a session's state, colours, errors in plain words."""
