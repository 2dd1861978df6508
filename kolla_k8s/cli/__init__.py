"""What the operator types. Only this room prints and exits."""
