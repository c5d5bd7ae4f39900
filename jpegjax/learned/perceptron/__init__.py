"""Perceptrons on blocks: the codec `perceptron`.

    network   n²–k–n², its activations and what they show
    levels    activations as integers, in bytes and back
    weights   trained ones as a file, and the part of them that a stream may bring along
    streams   the file's header
    codec     encode_all, decode_all

Trained by `experiments/block_networks`; those in models/ come with the package.
"""
