"""Shared by the trainer's commands: error messages, exit codes, and the list of settings."""
