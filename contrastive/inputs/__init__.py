"""What both programs read, within limits: URLs of allowed protocols, and images whose parts were counted."""
