"""JPEG files to batches, in a pipeline of grain's or without it. A batch is decoded as one, on all cores.

    Encoded ──▶ files' bytes ──shuffle, shard, batch──▶ PixelBatch or CoefficientBatch ──▶ pytree of arrays ──▶ on_devices

    files       Encoded: a source of grain's that gives files as they are, from folders and zip packs
    decoding    PixelBatch, CoefficientBatch: what makes a batch of some files
    batches     Batches: the same without grain, a source for `fit` too; on_devices: batches on accelerators, ahead of the work

With grain, batch n of a seed is the same wherever it is made, and `DatasetIterator.get_state` says where it stands:

    import grain
    from jpegjax.train import Encoded, PixelBatch, on_devices

    files = grain.MapDataset.source(Encoded("photos")).shuffle(seed=1).repeat()[jax.process_index() :: jax.process_count()]
    batches = files.batch(64, batch_fn=PixelBatch(size=224, scale="fit")).to_iter_dataset(grain.ReadOptions(2, 4))
    for batch in on_devices(batches, sharding):
        step(batch["pixels"])

ReadOptions count batches here: threads that make them, and how many wait. Two threads keep all cores at work, one reading
files while the other's batch is decoded; hundreds of batches that wait, grain's default, take gigabytes. Windows at random
places need grain's generator of random numbers:

    batches = files.seed(1).batch(64, batch_fn=list).random_map(PixelBatch(size=224, place="random"))

`grain.DataLoader` takes `grain.transforms.Batch(64, batch_fn=PixelBatch(…))`. Without grain:

    batches = Batches(Encoded("photos"), CoefficientBatch(size=224, place="random", subsampling="4:2:0"), seed=1).stream(0, 64)
"""
