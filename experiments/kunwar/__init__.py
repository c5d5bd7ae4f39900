"""Where is the subject? A network's class maps choose the quality of regions, within one plain JPEG.

System 22: Kunwar et al. 2018, by the code of Prakash et al. 2017 ("Semantic Perceptual Image Compression using Deep Convolution
Networks", arXiv:1612.08712). Their network is trained on Caltech-256; this one on CIFAR-10's pictures, in minutes.

What was seen: ten classes without people or houses make poor maps. Faces (Kodak 4, 15, 18) stay dark, clouds and an empty sky
light up (16, 20: aeroplanes have been there), textured ground does everywhere. Files do what the maps say: where these are dark,
skin and cloth fall to flat blocks, most with `tune="psnr"`, whose quality in the region is the highest. Maps of one's own are
better ones.
"""
