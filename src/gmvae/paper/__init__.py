"""The paper's figures and tables, one file each: a preset, a run, a drawing."""
