"""The engine: K networks of one structure, trained as one program."""
