"""Where events become model input: vocabularies and histories. NumPy only, shared by training and serving."""
