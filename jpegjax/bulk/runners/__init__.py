"""Who does the shards.

guarded    one child process that may die: its shard is tried again, then picture by picture, until the one that kills it is known
processes  a guarded child for each of some threads, on this machine
on_ray     actors of Ray Data on a cluster, each with a guarded child
"""
