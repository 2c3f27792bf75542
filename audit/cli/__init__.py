"""What the commands share: words in, exit codes and lines out."""
