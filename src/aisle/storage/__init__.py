"""Files that are either whole or absent: atomic writes, hashed arrays, packed strings."""
