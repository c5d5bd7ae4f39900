"""Rate-distortion optimised encoding: smaller standard files at equal quality."""
