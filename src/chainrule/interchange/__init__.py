"""Other people's formats: each file takes or gives an architecture and its parameters."""
