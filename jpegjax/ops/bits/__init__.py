"""Symbols to bits on a device, and bits to symbols."""
