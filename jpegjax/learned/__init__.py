"""What is trained? Flax NNX modules over plain maths, the integers that steer the entropy coder, and the files of both.

    layers/      dense, depthwise and strided layers, GDN, integer layers, densities, quantisation
    light        the library's own model, one for all rates
    dct/         networks on DCT coefficients: blocks turned and resized, stems that start as the inverse DCT
    detect/      anchors, matching, suppression and loss of detectors
    perceptron/  networks n²–k–n² on blocks, and their codec
    faces/       faces of one framing in some hundred bytes: texture, shape, background
    published/   factorized, hyperprior and mean-scale of the literature, and CompressAI's weights
    parts        what a model shows to the codec
    windows      what of a picture a program sees at a time
    programs     a model's programs over batches of windows, on all devices
    codec        encode_all, decode_all, read_symbols
    streams      the file's header
    tables       the entropy coder's tables, fitted to symbols
    compress/    networks as small files: fewer weights, few values, and an exact container
    weights      trained weights as a file; those in models/ come with the package

Nothing imports Flax until one of these is imported.
"""
