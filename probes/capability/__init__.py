"""What a model can do, and for whom: any labelled images."""
