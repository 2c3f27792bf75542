"""Encoders of text alone: sentence-transformers folders, and text models of transformers with a named pooling."""
