"""Measurements, each beside a peer or a ceiling in the same run; see CONTRIBUTING.md."""
