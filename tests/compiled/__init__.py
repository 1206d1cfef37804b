"""The compiled part against plain Python."""
