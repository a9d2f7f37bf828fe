"""All of the stages -> one document; the host; redaction."""
