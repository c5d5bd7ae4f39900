"""What is minimised? Losses for `fit` that know files.

rate_distortion   bits a pixel and λ · distortion, of learned codecs; their whole training
consistency       features of pictures and of their JPEG files held together
"""
