"""What the commands of the trainer share: an end with words and an exit code, and the list of settings."""
