"""The numbers of the tuned encoder on the CPU: masking field, trellis, chroma."""
