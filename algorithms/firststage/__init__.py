"""Algorithms of the first stage beside `emd`: one statistic of one device's window each, judged alike.

`streams` has what statistics are made of, the same for any cutting of a stream; `decision` makes a judgement of one.
"""
