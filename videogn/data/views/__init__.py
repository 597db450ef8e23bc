"""From a video to views: which frames, which part of them, at which size."""
