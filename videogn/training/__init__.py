"""What turns logits into a run."""
