"""Huffman scans with tables made for them: symbols first, then the best codes, then bits."""
