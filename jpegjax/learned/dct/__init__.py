"""Networks on DCT coefficients: what files hold, without a decoder's transform.

    blocks       dequantised values; mirrored, transposed, cut, resized, in blocks of another size
    statistics   mean and deviation of each frequency over files, and their layer
    stems        first layers that start as the inverse DCT, whole or scaled, colour too
    published    stems of Gueguen et al. 2018 and of RGB-no-more

From files to a network's first layer, with the pipelines of `jpegjax.train`:

    files = Batches(Encoded("photos"), CoefficientBatch(size=32, subsampling="4:2:0"), rounds=1)
    stem = RGBStem(unit=64.0, rngs=nnx.Rngs(0))
    for batch in files.stream(0, 2):
        stem(dequantised(batch["coefficients"]))    # [2, 32, 32, 3], as decoded pixels at first

Nothing imports Flax until one of these is imported.
"""
