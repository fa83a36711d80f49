"""The page at /: a person picks a shopper and compares what the loaded models recommend."""
