"""Sentences of what is read off similarities without an answer: rankings, associations."""
