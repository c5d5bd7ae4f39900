"""Hu 2020: faces by shape, texture and background. See `__main__`."""
