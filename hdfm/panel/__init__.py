"""Long frames -> validated, labelled arrays."""
