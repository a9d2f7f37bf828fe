"""Directory -> Source: commit, dirty?, snapshot."""
