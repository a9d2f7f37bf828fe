"""The query language: text to a frozen tree, and the tree to SQL with every value bound."""
