"""The paper's figures and tables, one file each, and the demonstration."""
