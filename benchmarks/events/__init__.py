"""How fast events are accepted, where accepted means on disk."""
