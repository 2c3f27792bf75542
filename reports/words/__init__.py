"""The page about words in training captions."""
