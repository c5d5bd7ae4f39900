"""Huffman coding of sequential scans: branch-light kernels over batches of blocks (T.81 F.1.2, F.2.2)."""
