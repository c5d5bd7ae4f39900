"""What restoration does to pictures, measured: `decode(restore=...)` beside the plain decoder and beside what is published.

    python -m experiments.restoration.grey        LIVE1 and Classic5 beside published tables; the least gain of any picture
    python -m experiments.restoration.graphics    the least gain of twenty screenshots and drawings, 4:2:0 and 4:4:4
    python -m experiments.restoration.kodak       BD-rates on Kodak: plain and tuned files restored, WebP, JPEG 2000
    python -m experiments.restoration.speed       seconds at 768×512, seconds and peak memory at 12 Mpixel
    python -m experiments.restoration.plate       details before, after and in the original, to look at

Each writes `experiments/results/restoration-<name>.json` (command, machine, commit) and what people read of it.
JPEGJAX_SHARED names the folder that holds `data/`. `--pictures N` is for small tries, `--to FOLDER` for results that are not to
be kept. None of these pictures has been trained on.
"""
