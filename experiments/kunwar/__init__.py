"""Where is the subject? A network's class maps choose the quality of regions, within one plain JPEG.

System 22: Kunwar et al. 2018, by the code of Prakash et al. 2017 ("Semantic Perceptual Image Compression using Deep Convolution
Networks", arXiv:1612.08712). Their network is trained on Caltech-256; this one on CIFAR-10's pictures, in minutes.
"""
