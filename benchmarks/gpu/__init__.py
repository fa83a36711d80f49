"""The tier of results that needs a GPU: a data set to carry, and one script that trains and measures on a bare machine."""
