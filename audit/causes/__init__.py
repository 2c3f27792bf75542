"""From outcomes of models trained with different doses to a curve, its predictions and what arms change. NumPy and SciPy only."""
