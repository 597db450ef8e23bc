"""How fast clips are read: this package's reading beside that of other libraries, on the same clips."""
