"""Other programs' weight files: a foreign file in, a checkpoint of this project out; and the way back."""
