"""Deguerre 2019: detection on a file's DCT coefficients, beside the same detector on pixels.

    data       BCCD: blood cells in original JPEG files of 640×480, quality 75, 4:2:0
    networks   a small SSD behind two fronts: convolutions over pixels, one layer over coefficients
    train      matching, loss, training by network and seed
    measure    AP50 by COCO's own code, files a second

The idea is Deguerre, Chatelain and Gasso, "Fast object detection in compressed JPEG images", IEEE ITSC 2019, arXiv:1904.08408:
in SSD the first blocks of VGG give way to one convolution over coefficients. Their networks are far
larger; these are this project's.
"""
