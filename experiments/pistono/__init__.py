"""Pistono 2020: classification from a file's DCT coefficients, beside pixels.

    data       CIFAR-10 and MNIST as JPEG files of quality 80: what a decoder gives, and what only entropy decoding gives
    networks   the small CNN on pixels, the plain network on coefficients, and those whose first layer starts as the inverse DCT
    cost       operations of all of them, by one count
    train      one loss, one training, a piece of it stored by network and seed
    measure    accuracies, files a second

The idea is Pistono et al., "Training Machine Learning on JPEG Compressed Images", Data Compression Conference 2020, which
reports 45 % less complexity for 13 % less accuracy at quality 80. Their networks are not known; these are this project's.
"""
