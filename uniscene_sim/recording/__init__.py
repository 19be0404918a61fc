"""What a run leaves behind: previews, the contact sheet and the report."""
