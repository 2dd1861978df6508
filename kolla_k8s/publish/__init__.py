"""From charts to a chart repository: package, index, push."""
