"""Every recommender, one readable file each."""
