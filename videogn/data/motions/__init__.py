"""The built-in data set "motions": labelled videos that are drawn, not downloaded."""
