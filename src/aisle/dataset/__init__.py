"""The prepared dataset: raw logs become one folder of arrays, split into what is known and what is asked."""
