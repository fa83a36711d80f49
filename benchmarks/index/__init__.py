"""How fast and how true the search for the nearest items is."""
