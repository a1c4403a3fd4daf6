"""How arrays and plain values are kept in the database."""
