"""One-class detectors: fitted to healthy rows, they say how far a row lies from them."""
