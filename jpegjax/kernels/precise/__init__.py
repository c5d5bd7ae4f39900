"""Coefficients to pixels in float32: reconstruction points, inverse DCT, upsampling and colour, rounded once or not at all."""
