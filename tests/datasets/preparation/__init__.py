"""Archives, targets and manifests of the converters."""
