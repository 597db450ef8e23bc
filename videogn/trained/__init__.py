"""What turns a run into answers: the page on it; and its network asked about other videos."""
