"""One public module per process kind; a name with an underscore is shared machinery."""
