"""What the tuned encoder computes on devices: fitted chroma, the masking field, the trellis. Exact, as its numba twins."""
