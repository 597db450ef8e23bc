"""What commands do with videos beside training: measure how fast they are read, make them faster to read."""
