"""Dual encoders: loads a folder in Hugging Face layout into an encoder (`encoder.load`)."""
