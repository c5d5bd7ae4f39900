"""How does it scale? Many files on one machine, with every result kept as soon as it is there.

local     batches that bound memory, steps that take turns on all cores, files written as a whole
journal   rows of results that outlive an interrupted run
"""
