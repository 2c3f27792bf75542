"""Encoded images, judged by their structure before a decoder sees them."""
