"""
Labels without this library
===========================

A fitted model as one graph of ONNX, asked by ONNX Runtime alone.
"""

# %%
# Fit, and write ``model.onnx``, ``model.decoder.onnx`` and the model card ``model.md``.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
from sklearn.datasets import load_iris

from gmvae import GMVAE

X = load_iris().data
model = GMVAE(3, latent_dim=2, hidden_layer_sizes=(64,), max_iter=60, random_state=0).fit(X)
folder = Path(tempfile.mkdtemp())
exported = model.to_onnx(folder / "model.onnx")
print(f"largest difference from PyTorch on {exported.n_rows:,} rows: {exported.difference:.1g}")

# %%
# What a server runs: rows in centimetres go in, clusters come out.
session = onnxruntime.InferenceSession(exported.model)
label, proba, embedding = session.run(["label", "proba", "embedding"], {"X": X})
print("labels are those of predict:", np.array_equal(label, model.predict(X)))
plt.figure(figsize=(4, 4), layout="constrained")
plt.scatter(*embedding.T, c=label, s=10, cmap="tab10")
plt.title("embedding, coloured by cluster")
