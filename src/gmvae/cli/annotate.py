"""What a model says of the cells of an .h5ad file, written into a copy of it."""

from __future__ import annotations

from pathlib import Path

from gmvae import formats
from gmvae.atomic import replacing
from gmvae.cli.opened_model import options_for
from gmvae.data.options import TableOptions, in_words_of_options
from gmvae.runs.folder import RunFolder, model_file


def annotate(run: Path, source: str, out: Path, table: TableOptions, device: str) -> None:
    """Write `source`, an .h5ad file, with clusters, embedding and certainty to ``out``; see `predict_anndata`.

    Clusters have the names that `gmvae report` gave them.

    ValueError if the source is no such file, or AnnData is not installed.
    """
    if not source.lower().endswith(formats.ANNDATA):
        raise ValueError(f"SOURCE must be .h5ad where `-o` is; got {source!r}: write a .csv or .parquet table.")
    try:
        from anndata import read_h5ad
    except ImportError as error:
        raise ValueError("Writing .h5ad must have AnnData installed: pip install 'gmvae[anndata]'.") from error
    from gmvae.data.errors import refusing
    from gmvae.estimator import GMVAE
    from gmvae.integrations.anndata import predict_anndata

    path = model_file(run)
    folder = RunFolder(path.parent)
    options = options_for(folder.read_record(), table)
    file = Path(source).expanduser()
    if not file.is_file():
        raise ValueError(f"SOURCE must be an existing file where `-o` is .h5ad; got {source!r}: check the name.")
    with refusing(f"{file.name} must hold AnnData"):
        adata = read_h5ad(file)
    model = GMVAE.load(path, device=device)
    with in_words_of_options():
        predict_anndata(model, adata, layer=options.layer)
    names = folder.read_names(model.n_components_)
    if names is not None:
        adata.obs["gmvae"] = adata.obs["gmvae"].cat.rename_categories(names)
    with replacing(out) as temporary:
        adata.write_h5ad(temporary)
