"""Texts of the cards and lines below the first screen of a page."""
