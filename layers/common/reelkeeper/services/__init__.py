"""The use cases: domain and adapters put to work, nothing about Lambda."""
