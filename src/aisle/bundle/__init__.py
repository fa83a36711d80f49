"""A trained model made ready to be served: open, check, search and answer, without torch."""
