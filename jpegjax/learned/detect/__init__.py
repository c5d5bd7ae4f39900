"""Detection with anchors, as SSD does it: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, arXiv:1512.02325.

    boxes    anchors, overlap, offsets of boxes to anchors and back, which anchor stands for which box, suppression of doubles
    losses   cross-entropy with hard negatives and smooth L1

Nothing here knows whether a network looked at pixels or at coefficients.
"""
