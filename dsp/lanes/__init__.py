"""Window features of many channels at once, one channel (or window) in each lane of a processor's vectors."""
