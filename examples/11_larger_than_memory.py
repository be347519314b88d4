"""
Larger than memory
==================

Files of Parquet or Arrow are read in parts, for fits as for queries. Here they are small; memory would not grow with
them.
"""

# %%
# Eight files of 5,000 rows each, as another program might have written them.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from gmvae import GMVAE

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
for part in range(8):
    turn = rng.integers(0, 3, 5000)
    angle = rng.uniform(0, 1.5, 5000) + turn * 2.1
    away = rng.normal(3, 0.25, 5000)
    pq.write_table(
        pa.table({"east": away * np.cos(angle), "north": away * np.sin(angle)}), folder / f"part-{part}.parquet"
    )

# %%
# The fit takes the dataset. A first pass finds scales and a sample; gradient steps are on all rows.
data = ds.dataset(folder, format="parquet")
model = GMVAE(3, latent_dim=2, hidden_layer_sizes=(64, 64), max_iter=6, effort="density", random_state=0).fit(data)
print(f"{data.count_rows():,} rows")

# %%
# Queries take one batch after another; `gmvae predict RUN FOLDER -o OUT` writes a file of clusters for every file.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharex=True, sharey=True)
counts = np.zeros(3, dtype=int)
for batch in data.to_batches():
    rows = batch.to_pandas()
    labels = model.predict(rows)
    counts += np.bincount(labels, minlength=3)
    left.scatter(rows["east"][:100], rows["north"][:100], c=labels[:100], s=4, cmap="tab10", vmin=0, vmax=9)
print("rows of each cluster:", counts)
left.set_title("100 rows of each batch")
drawn, labels = model.sample(800)
right.scatter(*drawn.T, c=labels, s=4, cmap="tab10", vmin=0, vmax=9)
right.set_title("drawn from the model")
