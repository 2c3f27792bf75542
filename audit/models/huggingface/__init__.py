"""Dual encoders in Hugging Face layout: a folder in, an encoder out."""
