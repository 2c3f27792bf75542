"""What ends a run with exit code 1: gates in words and results in, breached, held or inconclusive out."""
