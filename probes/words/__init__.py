"""Texts alone, and what generative models write."""
