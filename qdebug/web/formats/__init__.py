"""The screen Formats: number formats on values, and what each is."""
