"""The forms that `contrastive.export` writes, a module each: `check` refuses, `write` writes, `reader` reads as the other program does."""
