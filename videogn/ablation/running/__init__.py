"""What runs a study's cells: each as two commands, here or on other machines, whatever becomes of it."""
