"""Untrusted chat templates: programs, which run in a process with limits on time, memory, files and length."""
