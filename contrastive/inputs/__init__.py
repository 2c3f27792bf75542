"""What both programs read, within limits: URLs of allowed protocols, images whose parts were counted, and a process's own memory."""
