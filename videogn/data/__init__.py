"""What turns video files into clips."""
