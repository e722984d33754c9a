"""The verbs of `syms`, one file each; the only room that knows all the others."""
