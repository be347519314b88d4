"""``python -m gmvae``, where the command ``gmvae`` is not on the path."""

from gmvae.cli.app import main

main()
