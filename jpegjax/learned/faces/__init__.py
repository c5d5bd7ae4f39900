"""Faces of one framing in some hundred bytes: where they lie, what they look like there, and what is behind.

    pixels ─▶ search: shape code ─▶ least squares: latents ─▶ rate and distortion: symbols ─▶ rANS ─▶ box of kind "f"
    box ─▶ rANS ─▶ latents ─▶ texture of the mean shape ─▶ warped by the shape, before the background ─▶ refined ─▶ pixels

    shape      thin-plate splines from the picture to the mean shape
    model      the decoder's network
    symbols    which integers are worth their bits, and their tables
    search     the encoder: shape and latents of a picture
    stream     the file
    weights    trained weights as a file; those in models/ come with the package
    codec      encode_all, decode_all

S. Hu et al., "Face image compression by shape and texture", 2020: landmarks by mean and principal components, texture warped to
the mean shape through an autoencoder, the background apart.
"""
