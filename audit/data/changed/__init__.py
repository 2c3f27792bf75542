"""Data sets derived from others: fewer images, changed images, or additional attributes."""
