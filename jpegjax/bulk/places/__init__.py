"""Where a job's pictures come from and go to.

storage    one way to read, write and list: local folders, or any URL that fsspec knows
entries    a picture, a shard, and names that stay where they belong
sources    files of a folder, a glob or a list, and tars, cut in shards and read by the shard
tars       WebDataset: samples of members of one key
parquet    a column of images
targets    the same kinds; what a shard makes is written as a whole
"""
