"""Photographs of people beyond the face: boxes, annotators, work, surveillance."""
