"""Compiled loops (numba), each beside a plain twin that its tests compare it with.

Importing numba takes a second, so nobody imports a kernel before it is needed; `syms compile` compiles all ahead.
"""
