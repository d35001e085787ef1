"""Neighbours that can be told how to behave: fakes, never mocks. The contract suite holds the stores among them."""
