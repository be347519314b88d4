"""Hugging Face's hub: fitted models to folders and repositories, and back, as safetensors with a model card.

Install the extra ``gmvae[hub]``; it is imported where something is saved or loaded.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from gmvae.atomic import write_text
from gmvae.estimator import GMVAE
from gmvae.fitted.card import model_card

_MODEL, _PARAMETERS = "model.safetensors", "config.json"
_TAGS = ["clustering", "deep-clustering", "gaussian-mixture", "safetensors", "variational-autoencoder"]


def save_pretrained(model: GMVAE, folder: str | Path, **options: Any) -> None:
    """Write a fitted model to a folder as the hub has it: weights, parameters and a model card.

    Parameters
    ----------
    model : GMVAE
        Fitted.
    folder : str or Path
        It gets ``model.safetensors``, which `GMVAE.load` reads, ``config.json``, and the card as ``README.md`` unless
        there is one already.
    **options
        Options of ``huggingface_hub.ModelHubMixin.save_pretrained``.

    Raises
    ------
    ImportError
        If huggingface_hub is not installed.
    """
    _model_class()(model).save_pretrained(folder, **options)


def push_to_hub(model: GMVAE, repo_id: str, **options: Any) -> str:
    """Upload a fitted model to a repository of the hub, which is made if it is missing; see `save_pretrained`.

    Parameters
    ----------
    model : GMVAE
        Fitted.
    repo_id : str
        ``"owner/name"``.
    **options
        Options of ``huggingface_hub.ModelHubMixin.push_to_hub``: ``private``, ``token``, ``branch``,
        ``commit_message`` and others.

    Returns
    -------
    url : str
        Address of the commit.
    """
    return str(_model_class()(model).push_to_hub(repo_id, **options))


def from_pretrained(name: str | Path, *, network: Any = None, device: str = "auto", **options: Any) -> GMVAE:
    """Load a model from a repository of the hub, or a folder that `save_pretrained` wrote.

    Parameters
    ----------
    name : str or Path
        ``"owner/name"``, or the folder.
    network, device
        As in `GMVAE.load`.
    **options
        Options of ``huggingface_hub.ModelHubMixin.from_pretrained``: ``revision``, ``token``, ``cache_dir`` and others.

    Returns
    -------
    model : GMVAE

    Raises
    ------
    ModelFileError
        If what is found there is no model of gmvae.

    Examples
    --------
    >>> from gmvae import from_pretrained  # doctest: +SKIP
    >>> from_pretrained("owner/digits").predict(X)  # doctest: +SKIP
    """
    found: GMVAE = _model_class().from_pretrained(name, network=network, device=device, **options).model
    return found


@cache
def _model_class() -> Any:
    """The class that the hub's generic mixin makes of a fitted model."""
    try:
        from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin, hf_hub_download
    except ImportError as error:
        raise ImportError("The hub must have huggingface_hub installed: pip install 'gmvae[hub]'.") from error

    class HubModel(ModelHubMixin, library_name="gmvae", tags=_TAGS):
        def __init__(self, model: GMVAE) -> None:
            self.model = model

        def _save_pretrained(self, save_directory: Path) -> None:
            self.model.save(save_directory / _MODEL)
            parameters = self.model.fitted_.document["parameters"]
            write_text(save_directory / _PARAMETERS, json.dumps(parameters, indent=2, sort_keys=True) + "\n")

        @classmethod
        def _from_pretrained(  # type: ignore[override]
            cls, *, model_id: str, network: Any, device: str, **download: Any
        ) -> Any:
            folder = Path(model_id)
            path = folder / _MODEL if folder.is_dir() else hf_hub_download(model_id, _MODEL, **download)
            return cls(GMVAE.load(path, network=network, device=device))

        def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
            data = ModelCardData(library_name="gmvae", tags=_TAGS).to_yaml()
            return ModelCard(f"---\n{data}\n---\n\n{model_card(self.model.fitted_.document, _USAGE)}")

    return HubModel


_USAGE = """\
## How to ask it

```python
from gmvae import from_pretrained

model = from_pretrained("owner/name")  # this repository, or its folder
model.predict(X), model.predict_proba(X), model.transform(X)
```

`pip install gmvae[hub]` installs what is needed. The weights are a safetensors file: loading it runs no code.
"""
