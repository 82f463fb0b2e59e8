"""Reference pages that the code writes: the keys of sweep files, and the commands."""
