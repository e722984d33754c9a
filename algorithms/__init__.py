"""numpy in, numpy out: what we know of grids and signals. No sockets, no files, no clocks."""
