"""What a run learned and where it is wrong, as one page: read from its folder and its videos. Loads no torch."""
