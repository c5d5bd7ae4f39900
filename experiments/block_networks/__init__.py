"""Perceptrons on blocks: Rao 2010, Dutta 2009, Vilovic 2006. See `__main__`."""
