"""Formats that other programs read, made from `results.json`: CycloneDX, in-toto, Hugging Face, Every Eval Ever, GitHub."""
