"""From scores to lists: seen items out, ties settled, top k, and the fallback for shoppers nobody knows. NumPy only."""
