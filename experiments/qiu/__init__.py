"""Qiu 2021: thin JPEG files without their low frequencies, and how a receiver gets them back.

    thin       quantised coefficients ↔ an ordinary baseline file without low frequencies, as many as a share of bytes asks
    recover    what is missing from the continuity across block borders, by conjugate gradients
    network    what a network makes of that: model, training, weights
    evaluate   LIVE1, Classic5 and Set12 in grey, beside plain JPEG files of the same bytes

The idea is Qiu et al., "Deep Residual Learning-based Enhanced JPEG Compression in the Internet of Things", IEEE Transactions on
Industrial Informatics 17(3), 2021: a sender leaves out what the receiver can recover, first by signal processing, then by a
residual network. Which coefficients, and what is sent to hold on to, is this project's reading of it.
"""
