"""What every command shares: text made legible on its way out, signals as exceptions, an end with words and an exit code."""
