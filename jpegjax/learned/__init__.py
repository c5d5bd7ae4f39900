"""What is trained? Flax NNX modules over plain maths, the integers that steer the entropy coder, and the files of both."""
