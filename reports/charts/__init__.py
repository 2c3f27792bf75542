"""Geometry of the charts: the coordinates of every mark, computed from records."""
