"""Facts about this machine, by the standard library alone."""
