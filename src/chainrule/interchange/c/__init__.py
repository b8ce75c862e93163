"""C: a model as one C99 file that needs nothing but the mathematics library."""
