"""How does throughput scale with batch, size and devices, and what would eight GPUs and a thousand hosts do?

    python -m experiments.scaling [--small] [--device-json benchmarks/results/device.json] [--to FOLDER]

Races of the xla engine on this machine's devices, eight on a CPU: batches, sizes, and one to eight devices with as much work in
all (strong) or each (weak), encoding to bytes, entropy coding in XLA included, and decoding; every file and pixel is compared
with the host engine's. Seconds of compiling and bytes of memory of the page programs, size by size. Then a model of hosts and
fleets, of parts that were measured: here, and by `benchmarks/device.py` where its JSON is there. Writes
`experiments/results/scaling.json`, `.md` and `.png`. Some four minutes on two cores.
"""
