"""Dual encoders: a folder in Hugging Face layout goes in, an encoder comes out (`encoder.load`)."""
