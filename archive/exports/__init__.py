"""An archive's rows as files that other programs open: one module per format, one common reader.

wishes.py     what is wanted, as people say it; channels.py: what that is of each station
span.py       the files of the span, opened one after the other
plan.py       what there is of it, counted before anything is written
blocks.py     the rows, some megabytes at a time
target.py     where it goes: it appears as a whole or not at all
exporting.py  all of it; hdf5, csvfiles, excel, comtrade, mat, parquet: the formats
"""
