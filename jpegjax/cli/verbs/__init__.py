"""Verbs of the command line that are not about turning one file into another; each imports what is heavy itself."""
