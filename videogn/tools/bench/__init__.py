"""How fast clips are read and networks computed: this package beside other libraries, on the same work."""
