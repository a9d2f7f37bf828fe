"""ProjectSpec.yaml -> ProjectSpec; parameters; command templates; JSON Schema."""
