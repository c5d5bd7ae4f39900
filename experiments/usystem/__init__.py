"""Zhang 2021: non-uniform rectangular partition and the U-system, beside JPEG at equal bytes. `python -m experiments.usystem`."""
