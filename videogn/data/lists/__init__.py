"""Lists of videos: read in many formats, given class indices, and found on disk."""
