"""The C library: its ABI, loading, handles, and memory that goes in and out."""
