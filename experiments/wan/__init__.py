"""Wan 2020: training for the same features in a picture and in its JPEG file. See `__main__`."""
