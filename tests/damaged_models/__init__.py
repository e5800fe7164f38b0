"""Damaged models, with digests made anew so that the runtimes really parse them."""
