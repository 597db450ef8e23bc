"""What a study's folder says: figures, tables and sentences, as far as the results support them."""
