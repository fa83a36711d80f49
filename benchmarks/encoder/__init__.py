"""What the served encoders cost, beside the eager models."""
