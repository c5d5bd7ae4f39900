"""What models are made of: maths as plain functions, and the NNX modules that own weights."""
