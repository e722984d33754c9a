"""What crosses a wire. Nothing here opens one."""
