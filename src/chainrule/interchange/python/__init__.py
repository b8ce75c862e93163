"""Python: a model as one file that needs NumPy and nothing else."""
