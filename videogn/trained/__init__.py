"""What turns a trained run into answers on other videos: its network, its settings, what is written of them."""
