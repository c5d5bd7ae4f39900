"""Blocks of 8×8 coefficients to blocks of 1×1 … 16×16 samples, exact."""
