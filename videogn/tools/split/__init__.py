"""One folder or list of videos becomes lists for training, validation and test."""
