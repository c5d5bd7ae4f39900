"""Restoration: what quantisation took, put back behind any decoder."""
