"""What can be known of a training before it is paid for: videogn doctor."""
