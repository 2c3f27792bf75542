"""Pictures that differ in one attribute and in nothing else."""
