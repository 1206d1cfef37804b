"""The site file: bad files named by their fault, good ones, and what they compile to."""
