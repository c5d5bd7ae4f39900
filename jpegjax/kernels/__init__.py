"""The numbers of `ops` on the CPU, in numba."""
