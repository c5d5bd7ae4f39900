"""Kim 2020: a large encoder, and a decoder whose channels are pruned. See `__main__`."""
