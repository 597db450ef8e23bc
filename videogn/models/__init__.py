"""What turns clips into logits."""
