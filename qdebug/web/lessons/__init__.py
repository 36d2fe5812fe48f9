"""Lessons: words in Markdown, pictures on real tensors, questions whose answers are computed."""
