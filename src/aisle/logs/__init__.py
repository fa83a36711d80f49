"""Raw behaviour logs: found, read in bounded memory, mapped to our columns, checked row by row."""
