"""The pages, one module each; `frame.py` is what stands around all of them."""
